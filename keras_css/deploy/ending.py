"""What a model ends in: a softmax is found, and logits ship."""

import keras
import numpy as np

from keras_css.backbones.graph import is_graph
from keras_css.errors import UserError
from keras_css_runtime.softmax import softmax

IMAGES = 4
# Convolutions on a GPU that rounds to TensorFloat-32 differ by less.
LARGEST_DIFFERENCE = 5e-3


def without_softmax(model):
    """Returns a classifier without the softmax that it ends in.

    The softmax may be a layer, an operation or the activation of the last
    layer, of the model or of the model that it ends in. What is left is called
    on random images: its softmax must be what the model puts out.

    Args:
        model: A functional Keras model from images `(B, H, W, channels)` to
            `(B, C)`.

    Returns:
        A functional model to logits that shares the layers of `model`; None
        if no softmax is found at its end.

    Raises:
        UserError: If it ends in sigmoid: its outputs are no classes of which
            one is right.
    """
    logits = _before_softmax(model)
    if logits is None:
        return None
    bare = keras.Model(model.inputs[0], logits, name=model.name)
    return bare if _is_softmax_of(model, bare) else None


def _before_softmax(model):
    """Returns the symbolic tensor that a model takes the softmax of, or None.

    Where its last layer takes it itself, a twin without it is called.
    """
    last, number, _ = model.outputs[0]._keras_history
    given = last._inbound_nodes[number].input_tensors[:1]
    if not given:
        return None
    if is_graph(last) and len(last.inputs) == len(last.outputs) == 1:
        inner = _before_softmax(last)
        if inner is None:
            return None
        return _in_float32(keras.Model(last.inputs[0], inner)(given[0]))
    what = _function(last)
    if what == "sigmoid":
        raise UserError(
            "A classifier must put out logits or probabilities of classes of "
            "which one is right, received a model that ends in sigmoid, where "
            "each output is a yes or no of its own: end it in softmax, or in "
            "no activation if it was trained on one class an image."
        )
    if what != "softmax":
        return None
    if _is_only_function(last):
        return _in_float32(given[0])
    return _in_float32(_linear_twin(last, given[0].shape)(given[0]))


def _function(last):
    """Returns the name of what a layer or an operation ends with, or None."""
    if _is_only_function(last) and not hasattr(last, "activation"):
        return type(last).__name__.lower()
    named = {"softmax": keras.activations.softmax}
    named["sigmoid"] = keras.activations.sigmoid
    found = getattr(last, "activation", None)
    return next((name for name, one in named.items() if one is found), None)


def _is_only_function(last):
    """Whether there is nothing before the function in a layer."""
    # Layers and operations of Keras' share these names.
    named = type(last).__name__ in ("Softmax", "Sigmoid")
    keras_own = type(last).__module__.startswith("keras.")
    return isinstance(last, keras.layers.Activation) or (named and keras_own)


def _linear_twin(layer, shape):
    """Returns a layer with the same weights and no activation."""
    twin = type(layer).from_config(
        {**layer.get_config(), "activation": "linear"}
    )
    twin.build(shape)
    twin.set_weights(layer.get_weights())
    return twin


def _in_float32(logits):
    """In mixed precision often only the softmax is float32."""
    if logits.dtype == "float32":
        return logits
    return keras.layers.Activation("linear", dtype="float32")(logits)


def _is_softmax_of(model, bare):
    """Whether a model puts out the softmax of another one."""
    shape = (IMAGES, *model.inputs[0].shape[1:])
    images = np.random.default_rng(0).uniform(0, 1, shape).astype("float32")
    expected, logits = (
        keras.ops.convert_to_numpy(one(images, training=False))
        for one in (model, bare)
    )
    difference = np.abs(softmax(logits) - expected).max()
    return bool(difference <= LARGEST_DIFFERENCE)
