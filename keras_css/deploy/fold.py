"""Folding BatchNorm into the layer before it."""

import keras
import numpy as np

FOLDABLE = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dense,
)


def fold_batch_norm(model):
    """Returns the same function without BatchNorm where that is possible.

    `BN(conv(x)) = (gamma / s) conv(x) + beta - mean gamma / s`, s the square
    root of variance plus epsilon, is a convolution with other weights and a
    bias. A BatchNorm that follows something else (an addition, a ReLU) stays.

    Args:
        model: A functional Keras model in inference form.

    Returns:
        A functional model. Layers without BatchNorm are shared with `model`.
    """
    produced_by = {}

    def call(layer, *args, **kwargs):
        if isinstance(layer, keras.layers.BatchNormalization):
            before = produced_by.get(id(args[0]))
            if before is not None and _foldable(before[0], layer):
                folded = _folded(before[0], layer)
                folded.build(before[1].shape)
                _fill(folded, before[0], layer)
                return folded(before[1])
        output = layer(*args, **kwargs)
        if isinstance(layer, FOLDABLE):
            # The input is kept, too: an id is unique among living objects.
            produced_by[id(output)] = (layer, args[0], output)
        return output

    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )


def _foldable(layer, norm):
    linear = layer.activation is keras.activations.linear
    last = norm.axis in (-1, 3) or layer.__class__ is keras.layers.Dense
    channels_last = getattr(layer, "data_format", None) != "channels_first"
    return linear and last and channels_last


def _folded(layer, norm):
    config = layer.get_config()
    name = f"{layer.name}_folded"
    return layer.__class__.from_config(
        {**config, "use_bias": True, "name": name}
    )


def _fill(folded, layer, norm):
    """Sets the weights of the folded layer, computed in float64."""
    mean, variance = _array(norm.moving_mean), _array(norm.moving_variance)
    scale = 1.0 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * _array(norm.gamma)
    shift = -mean * scale
    if norm.center:
        shift = shift + _array(norm.beta)
    kernel = _array(layer.kernel)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        by_filter = scale.reshape(kernel.shape[-2:])
    else:
        by_filter = scale
    bias = _array(layer.bias) * scale if layer.use_bias else 0.0
    folded.set_weights([kernel * by_filter, shift + bias])


def _array(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")
