"""Records what a function does with tensors and variables as a graph."""

import contextlib

import keras
import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from keras_css.training.memory_torch import memory_order
from keras_css.training.recording.graph import written

UPDATE = torch.ops.aten._fused_sgd_


class CannotRecordError(Exception):
    """The function does something that a list of operations cannot repeat."""


class WritingScope(keras.StatelessScope):
    """Gives variables the values of a mapping and assigns to these in place.

    So what is read and written when is as it is outside of a scope.
    """

    def add_update(self, update):
        variable, new = update
        value = self.get_current_value(variable)
        if value is None:
            raise CannotRecordError(f"{variable.path} is of no layer")
        with torch.no_grad():
            value.copy_(new)


def trace(step, variables, tensors):
    """Records a step.

    Tensors have shapes and no values meanwhile, so that a step which reads a
    value on the host fails here. What was recorded then runs once, on copies
    of the variables.

    Args:
        step: Function from a list of tensors to nested dicts of tensors.
        variables: List of Keras variables that it may read and change.
        tensors: What to record it with.

    Returns:
        `(module, spec)`: a `torch.fx.GraphModule` from the values of all
        variables and all tensors to flat results, which writes changed
        variables in place; and the structure of the results.

    Raises:
        CannotRecordError: If the step cannot be repeated as it was recorded.
        Exception: Whatever tensors without values make the step raise.
    """
    found = {}

    def run(values, tensors):
        mapping = list(zip(variables, values))
        with WritingScope(mapping, collect_losses=True):
            results, found["spec"] = pytree.tree_flatten(step(tensors))
        if not all(isinstance(r, torch.Tensor) for r in results):
            raise CannotRecordError("a result is not a tensor")
        # What is returned must not change when a later step writes.
        return [result.detach().clone() for result in results]

    values = [
        variable.value.detach().requires_grad_(variable.trainable)
        for variable in variables
    ]
    module = make_fx(run, tracing_mode="fake", _allow_non_fake_inputs=True)(
        values, tensors
    )
    changed = written(module.graph)
    for node in module.graph.nodes:
        tags = getattr(node.target, "tags", ())
        if torch.Tag.nondeterministic_seeded in tags:
            raise CannotRecordError(f"{node.target} draws random numbers")
        if node.op == "get_attr":
            value = getattr(module, node.target)
            if isinstance(value, torch.Tensor) and value.requires_grad:
                raise CannotRecordError("a weight is not a Keras variable")
            if node in changed:
                raise CannotRecordError("a tensor of no variable changes")
    with torch.no_grad():
        copies = [value.detach().clone() for value in values]
        _MemoryCheck(module).run(copies, tensors)
    return module, found["spec"]


class _MemoryCheck(torch.fx.Interpreter):
    """Runs a graph and sees that tensors lie in memory as was foreseen.

    An update that walks memory as it lies was recorded for that.
    """

    def run_node(self, node):
        if getattr(node.target, "overloadpacket", None) is UPDATE:
            for source in node.all_input_nodes:
                self._check(self.env[source], source.meta.get("val"))
        return super().run_node(node)

    def _check(self, found, foreseen):
        tensors = isinstance(found, torch.Tensor) and foreseen is not None
        if tensors and memory_order(found) != memory_order(foreseen):
            raise CannotRecordError("gradients lie otherwise in memory")


@contextlib.contextmanager
def restoring(holders):
    """Gives objects their attributes back if recording changed tensors there.

    Operations on such tensors alone are carried out while a step is recorded.

    Raises:
        CannotRecordError: If there was something to give back.
    """
    before = [dict(vars(holder)) for holder in holders]
    values = [(t, t._version, t.detach().clone()) for t in _tensors(holders)]
    try:
        yield
    finally:
        kept = any(isinstance(t, FakeTensor) for t in _tensors(holders))
        changed = [(t, old) for t, was, old in values if t._version != was]
        for tensor, old in changed:
            tensor.data.copy_(old)
        if kept:
            for holder, attributes in zip(holders, before):
                vars(holder).clear()
                vars(holder).update(attributes)
        if kept or changed:
            raise CannotRecordError("a layer keeps tensors")


def _tensors(holders):
    """Returns the tensors that objects hold beside Keras' variables."""
    found = []
    for holder in holders:
        attributes = vars(holder)
        found += attributes.values()
        found += attributes.get("_buffers", {}).values()
    return [value for value in found if isinstance(value, torch.Tensor)]
