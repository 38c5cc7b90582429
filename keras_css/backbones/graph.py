"""A functional Keras model as the list of its calls, nested models opened."""

import collections
import dataclasses

import keras

from keras_css.copies import take_weights
from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.errors import unknown_name


@dataclasses.dataclass(frozen=True)
class Step:
    """One call of a layer or operation.

    Attributes:
        layer: Keras layer or operation.
        inputs: List of symbolic tensors.
        outputs: List of symbolic tensors.
    """

    layer: object
    inputs: list
    outputs: list

    @property
    def name(self):
        return self.layer.name

    @property
    def weighted(self):
        return bool(getattr(self.layer, "weights", None))


class Graph:
    """A copy of a functional model, weights included, as its calls in order.

    Args:
        model: A functional or `Sequential` Keras model with one input, images,
            and one output.
        image_shape: `(H, W, channels)` to build the copy for; default that of
            the model.

    Attributes:
        image: The copy's input, a symbolic tensor.
        output: Its output.
        steps: List of `Step`, every one after those it depends on.

    Raises:
        UserError: If the model is none of these, or cannot be copied.
    """

    def __init__(self, model, image_shape=None):
        model = _opened(_own_copy(_checked(model), image_shape))
        self.image, self.output, self.steps = run_graph(model)

    def step(self, name):
        """Returns the (first) step of the layer of a name.

        Raises:
            UserError: If there is none; the nearest names are shown.
        """
        known = {}
        for step in self.steps:
            known.setdefault(step.name, step)
        if name not in known:
            raise unknown_name("layer of the model", name, known)
        return known[name]

    def before(self, tensor):
        """Returns the steps that a tensor depends on, in order."""
        wanted, found = {id(tensor)}, []
        for step in reversed(self.steps):
            if any(id(output) in wanted for output in step.outputs):
                wanted.update(id(x) for x in step.inputs)
                found.append(step)
        return found[::-1]


def run_graph(model):
    """Runs a functional model on a new input and notes every call.

    Args:
        model: A functional model with one input and one output; its layers
            are called, not copied.

    Returns:
        `(input, output, steps)`: two symbolic tensors and a list of `Step`,
        every one after those it depends on.
    """
    steps = []

    def call(layer, *args, **kwargs):
        output = layer(*args, **kwargs)
        inputs = keras.tree.flatten((args, kwargs))
        inputs = [x for x in inputs if isinstance(x, keras.KerasTensor)]
        steps.append(Step(layer, inputs, keras.tree.flatten(output)))
        return output

    image = keras.Input(model.inputs[0].shape[1:], name="image")
    run = keras.models.clone_model(
        model,
        input_tensors=[image],
        clone_function=_same,
        call_function=call,
    )
    return image, run.outputs[0], steps


def is_graph(layer):
    """Returns whether a layer is a model with a graph that can be opened."""
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and hasattr(layer, "operations")
    )


def _same(layer):
    return layer


def _checked(model):
    """Returns the model as a plain functional one, not compiled."""
    if not is_graph(model):
        raise UserError(
            "A model is split along its graph, which functional and Sequential "
            f"Keras models have, received a {type(model).__name__}: build it "
            "with keras.Model(inputs, outputs), or write a Backbone."
        )
    if not model.built or not getattr(model, "inputs", None):
        raise UserError(
            "A Sequential model must know the size of its images before it is "
            "split: begin it with keras.Input(shape)."
        )
    for what, tensors in (("input", model.inputs), ("output", model.outputs)):
        if len(tensors) != 1:
            names = ", ".join(tensor.name for tensor in tensors)
            raise UserError(
                f"A model that is split must have one {what}, received "
                f"{len(tensors)}: {names}."
            )
    if len(model.inputs[0].shape) != 4:
        raise UserError(
            "A model that is split must take images (batch, height, width, "
            f"channels), received one that takes {model.inputs[0].shape}."
        )
    return keras.Model(model.inputs, model.outputs)


def _own_copy(model, image_shape):
    """Returns a copy with weights whose layers have names of their own."""
    image = keras.Input(image_shape or model.inputs[0].shape[1:], name="image")
    try:
        copy = keras.models.clone_model(model, input_tensors=[image])
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UserError(
            "A model that is split must be one that Keras can copy "
            f"(keras.models.clone_model), received: {first_line(error)}"
        ) from error
    take_weights(copy, model)
    seen = collections.Counter()
    for layer in _leaves(copy):
        seen[layer.name] += 1
        if seen[layer.name] > 1:
            layer.name = f"{layer.name}_{seen[layer.name]}"
    return copy


def _leaves(model):
    """Returns all layers and operations that are no models, each once."""
    found = {}
    for layer in getattr(model, "operations", None) or model.layers:
        inner = _leaves(layer) if is_graph(layer) else [layer]
        found.update({id(leaf): leaf for leaf in inner})
    return list(found.values())


def _opened(model):
    """Returns the model with the layers of nested models as its own."""

    def call(layer, *args, **kwargs):
        if is_graph(layer):
            return layer.call(*args)
        return layer(*args, **kwargs)

    while any(is_graph(layer) for layer in model.layers):
        model = keras.models.clone_model(
            model, clone_function=_same, call_function=call
        )
    return model
