"""Folding BatchNorm into the layer before it."""

import itertools

import keras
import numpy as np

from keras_css.backbones.batch_norm import BatchNorm

# Exactly these: a subclass may compute something else.
FOLDABLE = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dense,
)
NORMS = (keras.layers.BatchNormalization, BatchNorm)


def fold_batch_norm(model):
    """Returns the same function without BatchNorm where that is possible.

    `BN(conv(x)) = (gamma / s) conv(x) + beta - mean gamma / s`, s the square
    root of variance plus epsilon, is a convolution with other weights and a
    bias. A BatchNorm of maps that follows something else (an addition, a
    ReLU) becomes a scale and a shift of each channel, a depthwise 1x1
    convolution.

    Args:
        model: A functional Keras model in inference form.

    Returns:
        A functional model. Layers without BatchNorm are shared with `model`.
    """
    produced_by, made = {}, {}
    numbers = itertools.count()

    def call(layer, *args, **kwargs):
        if type(layer) in NORMS:
            before = produced_by.get(id(args[0]))
            # Several views of an image go through the same layers.
            if before is not None and _foldable(before[0], layer, args[0]):
                key = id(before[0]), id(layer)
                if key not in made:
                    made[key] = _folded(before[0], next(numbers))
                    made[key].build(before[1].shape)
                    _fill(made[key], before[0], layer)
                return made[key](before[1])
            if _of_maps(layer, args[0]):
                if id(layer) not in made:
                    made[id(layer)] = _scaled(
                        layer, args[0].shape, next(numbers)
                    )
                return made[id(layer)](args[0])
        output = layer(*args, **kwargs)
        if type(layer) in FOLDABLE:
            # The output is kept, too: an id is unique among living objects.
            produced_by[id(output)] = (layer, args[0], output)
        return output

    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )


def _foldable(layer, norm, output):
    linear = layer.activation is keras.activations.linear
    last = norm.axis in (-1, len(output.shape) - 1)
    channels_last = getattr(layer, "data_format", None) != "channels_first"
    return linear and last and channels_last


def _of_maps(norm, tensor):
    return len(tensor.shape) == 4 and norm.axis in (-1, 3)


def _scaled(norm, shape, number):
    scale, shift = _scale_and_shift(norm)
    layer = keras.layers.DepthwiseConv2D(
        1, data_format="channels_last", name=f"{norm.name}_scale_{number}"
    )
    layer.build(shape)
    layer.set_weights([scale.reshape(layer.kernel.shape), shift])
    return layer


def _folded(layer, number):
    name = f"{layer.name}_folded_{number}"
    return layer.__class__.from_config(
        {**layer.get_config(), "use_bias": True, "name": name}
    )


def _fill(folded, layer, norm):
    """Sets the weights of the folded layer."""
    scale, shift = _scale_and_shift(norm)
    kernel = _array(layer.kernel)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        by_filter = scale.reshape(kernel.shape[-2:])
    else:
        by_filter = scale
    bias = _array(layer.bias) * scale if layer.use_bias else 0.0
    folded.set_weights([kernel * by_filter, shift + bias])


def _scale_and_shift(norm):
    """Returns what BatchNorm does at inference, `x * scale + shift`."""
    mean, variance = _array(norm.moving_mean), _array(norm.moving_variance)
    scale = 1.0 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * _array(norm.gamma)
    shift = -mean * scale
    if norm.center:
        shift = shift + _array(norm.beta)
    return scale, shift


def _array(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")
