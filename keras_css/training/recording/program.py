"""A function made of a recorded graph."""

import torch
from torch.fx.graph import CodeGen


class Program:
    """Straight-line code: tensors in, tensors out.

    Args:
        module: A `torch.fx.GraphModule`.

    Attributes:
        needed: For each of its inputs whether the code reads it.
    """

    def __init__(self, module):
        graph = module.graph
        inputs = [n for n in graph.nodes if n.op == "placeholder"]
        self.needed = [bool(node.users) for node in inputs]
        for node in inputs:
            if not node.users:
                graph.erase_node(node)
        # Inputs as they are, not as the nested arguments of what was recorded.
        graph.set_codegen(CodeGen())
        self._run = torch.fx.GraphModule(module, graph).forward

    def __call__(self, values):
        """Returns the results for the inputs that are needed."""
        with torch.no_grad():
            return self._run(*values)
