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
        graph.set_codegen(_TakesList())
        self._run = torch.fx.GraphModule(module, graph).forward

    def __call__(self, values):
        """Returns the results for the inputs that are needed."""
        with torch.no_grad():
            return self._run(values)


class _TakesList(CodeGen):
    """Writes a function of one list, which may be longer than 255."""

    def gen_fn_def(self, free_vars, maybe_return_annotation, **kwargs):
        names = [text.split(":")[0].split("=")[0].strip() for text in free_vars]
        taken = "".join(f"{name}, " for name in names if name != "self")
        unpack = f"{taken}= values" if taken else "pass"
        return f"def {self._func_name}(self, values):\n    {unpack}"
