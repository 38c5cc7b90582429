"""Any functional Keras model as a backbone, cut at one of its layers."""

import dataclasses

import keras

from keras_css.backbones.backbone import Backbone
from keras_css.backbones.cost import count_macs
from keras_css.backbones.graph import Graph
from keras_css.copies import own_config
from keras_css.copies import take_weights
from keras_css.errors import UserError
from keras_css.precision import with_policy

# Pixels at which resolutions are compared if a model takes any size.
USUAL_SIZE = 224


def split_model(model, at=None, features=None, copy_weights=True):
    """Returns a functional Keras model as a backbone.

    What follows the pooled features, the classifier, is dropped: features are
    what the last layer with weights takes if that is a Dense layer (or a
    convolution of a 1x1 map), else the model's output, pooled. The model
    itself is left as it is.

    Args:
        model: A functional or `Sequential` Keras model with one input, for
            example of `keras.applications`. Models inside it are opened.
        at: Name of the layer whose output ends the trunk; `suggest_splits`
            lists the possible ones. Default the last one at a higher
            resolution than the last feature map.
        features: Name of the layer whose output are the features, where the
            rule above does not find it.
        copy_weights: Whether every trunk and tail starts with the model's
            weights; without, with weights drawn anew by its initializers.

    Returns:
        A `SplitModel`.

    Raises:
        UserError: If the model has no graph or several inputs or outputs; if
            the layer is unknown or behind the features; if a connection passes
            it by, or a layer is used before and behind it.

    Example:

    >>> model = keras.applications.MobileNetV2(weights=None)
    >>> backbone = split_model(model, at="block_13_expand")
    >>> network = MultiBranchNetwork(backbone, num_classes=200)
    """
    graph = Graph(model)
    steps, output = _without_classifier(graph, features)
    cut = graph.step(_default_cut(model, features) if at is None else at)
    _check_cut(cut, graph, steps, _cut_points(graph, steps, output))
    _check_no_layer_shared(cut, steps)
    (shared,) = cut.outputs
    pooled = output
    if len(output.shape) == 4:
        pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
        pooled = pool(output)
    return SplitModel(
        keras.Model(graph.image, shared, name="trunk"),
        keras.Model(shared, pooled, name="tail"),
        copy_weights,
    )


@dataclasses.dataclass(frozen=True)
class SplitPoint:
    """A layer at which a model can be cut.

    Attributes:
        layer: Its name, for `split_model(model, at=...)`.
        shape: `(h, w, d)` of its output.
        trunk_parameters, tail_parameters: On either side.
        trunk_macs, tail_macs: Multiply-adds of one image on either side. Every
            branch runs a tail of its own.
    """

    layer: str
    shape: tuple
    trunk_parameters: int
    tail_parameters: int
    trunk_macs: int
    tail_macs: int


def suggest_splits(model, image_shape=None, features=None):
    """Returns the layers at which a model can be cut, first to last.

    Of layers at the same place, such as a convolution, its BatchNorm and its
    activation, only the last is listed; padding belongs to what follows.

    Args:
        model, features: As of `split_model`.
        image_shape: `(H, W, channels)` of the images; needed if the model
            takes any size.

    Returns:
        List of `SplitPoint`.

    Raises:
        UserError: If the model has no graph, or the size is not known.
    """
    graph = Graph(model, image_shape)
    if None in graph.image.shape[1:]:
        raise UserError(
            "Costs need the size of the images, and the model takes "
            f"{graph.image.shape[1:]}: give image_shape=(height, width, "
            "channels)."
        )
    steps, output = _without_classifier(graph, features)
    found = []
    points = _cut_points(graph, steps, output)
    for cut in _ends_of_places(points, steps):
        before = steps[: steps.index(cut) + 1]
        behind = steps[len(before) :]
        found.append(
            SplitPoint(
                cut.name,
                tuple(cut.outputs[0].shape[1:]),
                _parameters(before),
                _parameters(behind),
                _macs(before),
                _macs(behind),
            )
        )
    return found


@keras.saving.register_keras_serializable(package="keras_css")
class SplitModel(Backbone):
    """A backbone made of two functional models; `split_model` makes them.

    Args:
        trunk: Functional model from images to `(B, h, w, d)`.
        tail: Functional model from there to `(B, D)`.
        copy_weights: Whether what `trunk()` and `tail()` return starts with
            the weights of these two.
        normalisation: As of `Backbone`.
    """

    def __init__(self, trunk, tail, copy_weights=True, normalisation=None):
        self._trunk = trunk
        self._tail = tail
        self.copy_weights = copy_weights
        self.normalisation = normalisation

    @property
    def feature_dim(self):
        """Width D of the pooled features."""
        return self._tail.output.shape[-1]

    @property
    def takes(self):
        """What the trunk takes, `(H, W, channels)`; None for any size."""
        return self._trunk.input.shape[1:]

    def stages(self):
        """Raises `UserError`: a model that is cut has only two parts."""
        raise UserError(
            "This method looks between the stages of a backbone, and a model "
            "that is cut has none: use one of the library's own backbones."
        )

    def trunk(self):
        return self._fresh(self._trunk)

    def tail(self):
        return self._fresh(self._tail)

    def check_image_shape(self, shape):
        """Raises `UserError` unless the trunk takes `(H, W, channels)`."""
        pairs = zip(self.takes, shape)
        if any(own is not None and own != given for own, given in pairs):
            raise UserError(
                "Images must have the shape that the model was built for, "
                f"{self.takes}, received {tuple(shape)}: build the model "
                "for this shape or for keras.Input((None, None, channels)), or "
                "choose the images' size (--image_size)."
            )

    def about(self):
        """Returns what an exported file says: the model would be too much."""
        cut_at = self._trunk.layers[-1].name
        return {"class_name": type(self).__name__, "cut_at": cut_at}

    def swap_red_and_blue(self):
        """Lets weights made for BGR images take RGB ones."""
        first = next(layer for layer in self._trunk.layers if layer.weights)
        kernel, *others = first.get_weights()
        first.set_weights([kernel[:, :, ::-1], *others])

    def _fresh(self, model):
        policy = keras.config.dtype_policy()
        config = with_policy(own_config(model), policy)
        fresh = type(model).from_config(config)
        if self.copy_weights:
            take_weights(fresh, model)
        return fresh

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "trunk": serialize(self._trunk),
            "tail": serialize(self._tail),
            "copy_weights": self.copy_weights,
            "normalisation": self.normalisation,
        }

    @classmethod
    def from_config(cls, config):
        restore = keras.saving.deserialize_keras_object
        parts = {key: restore(config[key]) for key in ("trunk", "tail")}
        return cls(**{**config, **parts})


def _without_classifier(graph, features):
    """Returns the steps up to the features, and the features' tensor."""
    if features is not None:
        output = graph.step(features).outputs[0]
    else:
        steps = graph.before(graph.output)
        last = next((s for s in reversed(steps) if s.weighted), None)
        output = graph.output
        if last is not None and _classifies(last):
            output = last.inputs[0]
    if len(output.shape) not in (2, 4):
        raise UserError(
            "Features must be a vector or a map for each image, received "
            f"shape {tuple(output.shape)}: name their layer in features."
        )
    return graph.before(output), output


def _classifies(step):
    if isinstance(step.layer, keras.layers.Dense):
        return len(step.inputs[0].shape) == 2
    convolution = isinstance(step.layer, keras.layers.Conv2D)
    return convolution and tuple(step.inputs[0].shape[1:3]) == (1, 1)


def _cut_points(graph, steps, output):
    """Returns the steps whose output alone decides the features.

    They are those after which, in order of computation, no other tensor is
    still needed. Only maps are cut, and only where both sides have weights.
    """
    last_use = {}
    for i, step in enumerate(steps):
        last_use.update({id(tensor): i for tensor in step.inputs})
    last_use[id(output)] = len(steps)
    points, needed_until = [], last_use.get(id(graph.image), 0)
    for i, step in enumerate(steps):
        alone = needed_until <= i and len(step.outputs) == 1
        a_map = len(step.outputs[0].shape) == 4
        if alone and a_map and _weighted_on_both_sides(steps, i):
            points.append(step)
        uses = [last_use.get(id(tensor), i) for tensor in step.outputs]
        needed_until = max(needed_until, *uses)
    return points


def _weighted_on_both_sides(steps, i):
    before, behind = steps[: i + 1], steps[i + 1 :]
    return any(s.weighted for s in before) and any(s.weighted for s in behind)


def _ends_of_places(points, steps):
    """Leaves out padding, and points right before a layer of one value each."""
    kept = []
    for point in points:
        if isinstance(point.layer, keras.layers.ZeroPadding2D):
            continue
        i = steps.index(point)
        after = steps[i + 1]
        same = after.outputs[0].shape == point.outputs[0].shape
        elementwise = same and not hasattr(after.layer, "kernel")
        if not (elementwise and after in points and len(after.inputs) == 1):
            kept.append(point)
    return kept


def _default_cut(model, features):
    """Returns the name of the layer that `split_model` cuts at by default."""
    height, width, channels = model.inputs[0].shape[1:]
    shape = (height or USUAL_SIZE, width or USUAL_SIZE, channels)
    graph = Graph(model, shape)
    steps, output = _without_classifier(graph, features)
    points = _ends_of_places(_cut_points(graph, steps, output), steps)
    if not points:
        raise UserError(
            "A model that is split must have a layer whose output, a map, "
            "alone decides the features, and this one has none."
        )
    maps = [t for s in steps for t in s.outputs if len(t.shape) == 4]
    smallest = min(_area(t) for t in maps if _area(t) > 1)
    larger = [p for p in points if _area(p.outputs[0]) > smallest]
    return (larger[-1] if larger else points[len(points) // 2]).name


def _area(tensor):
    return tensor.shape[1] * tensor.shape[2]


def _check_cut(cut, graph, steps, points):
    """Raises `UserError` unless the model can be cut behind this step."""
    if cut in points:
        return
    known = _ends_of_places(points, steps)
    advice = (
        f" Nearest possible ones: {', '.join(_nearest(cut, known, graph))}."
        if known
        else ""
    )
    if cut not in steps or not any(s.weighted for s in _behind(cut, steps)):
        why = "but behind it nothing with weights is left for the branches"
    elif not any(s.weighted for s in steps[: steps.index(cut) + 1]):
        why = "but before it nothing with weights is left for the trunk"
    elif len(cut.outputs) != 1 or len(cut.outputs[0].shape) != 4:
        why = f"but its output is no map: {tuple(cut.outputs[0].shape)}"
    else:
        past = _passing(cut, graph, steps)
        why = f"but a connection passes it by, from {past} to layers behind it"
    raise UserError(
        "A model must be split at a layer whose output alone decides the "
        f"features, received '{cut.name}', {why}.{advice}"
    )


def _behind(cut, steps):
    return steps[steps.index(cut) + 1 :]


def _passing(cut, graph, steps):
    """Returns the name of a layer whose output is used before and behind."""
    i = steps.index(cut)
    made = {id(graph.image): "the images"}
    made |= {id(t): s.name for s in steps[:i] for t in s.outputs}
    used = [id(t) for s in steps[i + 1 :] for t in s.inputs]
    return next(made[tensor] for tensor in used if tensor in made)


def _nearest(cut, points, graph):
    order = {id(step): i for i, step in enumerate(graph.steps)}
    by_distance = sorted(
        points, key=lambda p: abs(order[id(p)] - order[id(cut)])
    )
    return [point.name for point in by_distance[:3]]


def _check_no_layer_shared(cut, steps):
    """Raises `UserError` if a layer with weights is used on both sides."""
    i = steps.index(cut)
    before = {id(step.layer) for step in steps[: i + 1]}
    for step in steps[i + 1 :]:
        if step.weighted and id(step.layer) in before:
            raise UserError(
                "A layer with weights must lie on one side of the split, and "
                f"'{step.name}' is used before and behind '{cut.name}': split "
                "elsewhere."
            )


def _parameters(steps):
    layers = {id(step.layer): step.layer for step in steps if step.weighted}
    return sum(layer.count_params() for layer in layers.values())


def _macs(steps):
    return sum(count_macs(s.layer, s.inputs, s.outputs) for s in steps)
