"""Weights of a trained model into a network, matched by name."""

import dataclasses
import re

import keras

from keras_css.backbones.graph import Graph
from keras_css.backbones.graph import is_graph
from keras_css.copies import derive_state
from keras_css.errors import UserError
from keras_css.networks.multi_branch import MultiBranchNetwork


@dataclasses.dataclass(frozen=True)
class Matched:
    """What became of loading weights by name.

    Attributes:
        loaded: Names of weights that were set.
        missing: Names of the network's weights that the source has not.
        unused: Names of the source's weights that the network has not.
    """

    loaded: tuple
    missing: tuple
    unused: tuple

    def describe(self):
        """Returns the counts, and the first names of what did not match."""
        text = f"{len(self.loaded)} weights loaded"
        for what, names in (
            ("not in the source", self.missing),
            ("of the source not used", self.unused),
        ):
            if names:
                more = ", ..." if len(names) > 3 else ""
                text += f"; {len(names)} {what}: {', '.join(names[:3])}{more}"
        return text


def load_weights_by_name(network, source):
    """Sets a network's trunk and tails to the weights of a trained model.

    The source is a `MultiBranchNetwork`, or a functional or `Sequential` model
    whose layers have the names of the backbone's. A tail takes its own weights
    from the source's tail of the same number, else from the first one. Heads
    keep their weights: the classes are others.

    Args:
        network: A `MultiBranchNetwork`, built.
        source: A Keras model with weights.

    Returns:
        A `Matched`.

    Raises:
        UserError: If no name matches, or one has weights of another shape.
            Nothing is changed then.
    """
    pairs, missing = [], []
    for i in range(len(network.tails)):
        offered = _offered(source, i)
        wanted = _of_tail(network, i)
        if i == 0:
            wanted |= named_weights(network.trunk)
        for name, weight in wanted.items():
            if name in offered:
                pairs.append((name, weight, offered[name]))
            else:
                missing.append(name)
    if not pairs:
        raise UserError(
            "Weights must come from a model with layers of the same names, and "
            f"none of {len(missing)} matches: expected names such as "
            f"'{missing[0]}', received such as "
            f"'{next(iter(offered), 'none at all')}'."
        )
    for name, weight, value in pairs:
        if tuple(weight.shape) != tuple(value.shape):
            raise UserError(
                f"Weights must have the shapes of the network, and '{name}' "
                f"must have {tuple(weight.shape)}, received "
                f"{tuple(value.shape)}: was it another architecture?"
            )
    for _, weight, value in pairs:
        weight.assign(value)
    derive_state(network)
    loaded = [name for name, _, _ in pairs]
    unused = [name for name in _offered(source, 0) if name not in set(loaded)]
    return Matched(tuple(loaded), tuple(missing), tuple(unused))


def named_weights(layer, first=0):
    """Returns dict from name to variable of a layer, inner layers included.

    A name consists of the layers' names and the variable's, with dots between
    them. In stages and blocks a layer that Keras named itself goes by its
    place among its siblings, because its name differs each time.

    Args:
        layer: A Keras layer, built.
        first: The place of its first inner layer.
    """
    children = _children(layer)
    inner = {id(v) for child in children for v in child.variables}
    found = {v.name: v for v in layer.weights if id(v) not in inner}
    as_named = is_graph(layer) and not isinstance(layer, keras.Sequential)
    for i, child in enumerate(children, first):
        key = child.name if as_named or not _named_by_keras(child) else i
        own = named_weights(child)
        found.update({f"{key}.{name}": weight for name, weight in own.items()})
    return found


def _children(layer):
    inner = layer._flatten_layers(recursive=False, include_self=False)
    return [child for child in inner if child.weights]


def _of_tail(network, i):
    """Returns the named weights of a tail; its places follow the trunk's."""
    return named_weights(network.tails[i], first=len(_children(network.trunk)))


def _named_by_keras(layer):
    stem = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    stem = re.sub("([a-z])([A-Z])", r"\1_\2", stem).lower()
    return re.fullmatch(rf"{stem}(_\d+)?", layer.name) is not None


def _offered(source, branch):
    """Returns dict from name to variable of what a source has for a branch."""
    if isinstance(source, MultiBranchNetwork):
        tail = branch if branch < len(source.tails) else 0
        return {**named_weights(source.trunk), **_of_tail(source, tail)}
    found = {}
    for step in Graph(source).steps:
        if step.weighted:
            own = named_weights(step.layer)
            found |= {f"{step.name}.{name}": own[name] for name in own}
    return found
