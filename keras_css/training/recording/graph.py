"""Leaves out of a recorded graph what changes no value."""

import operator

import torch

aten = torch.ops.aten
# What may be left out where nothing reads it.
IDLE = {
    aten.detach.default,
    aten.empty.memory_format,
    aten.permute.default,
}
# What makes a value of nothing but numbers.
MAKERS = {
    aten.arange.default,
    aten.arange.start,
    aten.full.default,
    aten.lift_fresh_copy.default,
    aten.ones.default,
    aten.scalar_tensor.default,
    aten.zeros.default,
}


def simplify(module):
    """Simplifies the graph of a `torch.fx.GraphModule` in place."""
    for node in list(module.graph.nodes):
        if node.target == aten.detach.default:
            node.replace_all_uses_with(node.args[0])
        elif node.target == aten.permute.default:
            _join_permutations(node)
    _fold_constants(module)
    for node in reversed(list(module.graph.nodes)):
        if not node.users and (node.op == "get_attr" or node.target in IDLE):
            module.graph.erase_node(node)


def _join_permutations(node):
    inner, order = node.args
    if inner.target != aten.permute.default:
        return
    source, first = inner.args
    joined = [first[axis] for axis in order]
    if joined == list(range(len(joined))):
        node.replace_all_uses_with(source)
    else:
        node.args = (source, joined)


def _fold_constants(module):
    """Evaluates what depends on numbers alone."""
    values, changed = {}, written(module.graph)
    for node in module.graph.nodes:
        if node.op != "call_function" or node in changed:
            continue
        if _is_constant(node, values):
            inputs = {**values, **_written_constants(module, node)}
            args, kwargs = torch.fx.node.map_arg(
                (node.args, node.kwargs), inputs.get
            )
            value = node.target(*args, **kwargs)
            if isinstance(value, torch.Tensor):
                values[node] = value
    for i, (node, value) in enumerate(values.items()):
        if all(user in values for user in node.users):
            continue
        name = f"constant_{i}"
        module.register_buffer(name, value)
        with module.graph.inserting_before(node):
            node.replace_all_uses_with(module.graph.get_attr(name))
    for node in reversed(values):
        module.graph.erase_node(node)


def _is_constant(node, values):
    if node.target in MAKERS:
        return all(n.op == "get_attr" for n in node.all_input_nodes)
    inputs = node.all_input_nodes
    return bool(inputs) and all(n in values for n in inputs)


def written(graph):
    """Returns the nodes that operations write into, through views as well."""
    found = set()
    for node in reversed(graph.nodes):
        schema = getattr(node.target, "_schema", None)
        if schema is None:
            continue
        if node in found and any(r.alias_info for r in schema.returns):
            found.update(node.all_input_nodes)
        for place, argument in enumerate(schema.arguments):
            if argument.alias_info and argument.alias_info.is_write:
                given = node.kwargs.get(argument.name)
                if place < len(node.args):
                    given = node.args[place]
                torch.fx.node.map_arg(given, found.add)
                found.add(node)
    return found


def _written_constants(module, node):
    """Returns the values of numbers that stand in the code."""
    if node.target != aten.lift_fresh_copy.default:
        return {}
    return {n: getattr(module, n.target) for n in node.all_input_nodes}


def reuse_memory(module):
    """Lets elementwise operations write over what is not read again.

    Fresh memory is not in the processor's cache.
    """
    own = set()
    for node in module.graph.nodes:
        if _makes_memory(node):
            own.add(node)
        if node.target == aten.add.Tensor and not node.kwargs:
            _add_in_place(node, own)
        elif node.target == aten.threshold_backward.default:
            _mask_in_place(node, own)


def _add_in_place(node, own):
    for place, other in ((0, 1), (1, 0)):
        if _ends_in(node.args[place], node, own):
            node.target = aten.add_.Tensor
            node.args = (node.args[place], node.args[other])
            return


def _mask_in_place(node, own):
    if _ends_in(node.args[0], node, own):
        node.target = aten.threshold_backward.grad_input
        node.kwargs = {"grad_input": node.args[0]}


def _makes_memory(node):
    if node.target is operator.getitem:
        node = node.args[0]
    schema = getattr(node.target, "_schema", None)
    return schema is not None and not any(r.alias_info for r in schema.returns)


def _ends_in(node, user, own):
    """Returns whether a tensor has its own memory, and no other reads it."""
    if not isinstance(node, torch.fx.Node) or user.args.count(node) != 1:
        return False
    maker, reader = node, user
    while maker.target == aten.permute.default and len(maker.users) == 1:
        maker, reader = maker.args[0], maker
    if maker not in own or list(maker.users) != [reader]:
        return False
    before, after = node.meta["val"], user.meta["val"]
    return (
        before.shape == after.shape
        and before.stride() == after.stride()
        and before.dtype == after.dtype
    )
