"""What a layer costs: multiply-adds, counted from shapes."""

import math

import keras


def count_macs(layer, inputs, outputs):
    """Returns the multiply-adds of one call for one image.

    Convolutions and matrix products count; additions, activations and
    normalisation, which take a few operations a value, do not, as in published
    figures. Attention's products of activations are not counted either.

    Args:
        layer: A Keras layer or operation.
        inputs: List of symbolic tensors that it takes.
        outputs: List of those it gives; their shapes must be known.
    """
    layers = keras.layers
    if isinstance(layer, layers.Conv2DTranspose):
        return _positions(layer, inputs[0]) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.SeparableConv2D):
        weights = math.prod(layer.depthwise_kernel.shape)
        weights += math.prod(layer.pointwise_kernel.shape)
        return _positions(layer, outputs[0]) * weights
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
        return _positions(layer, outputs[0]) * math.prod(layer.kernel.shape)
    if isinstance(layer, layers.Dense):
        rows = math.prod(outputs[0].shape[1:-1])
        return rows * math.prod(layer.kernel.shape)
    return 0


def _positions(layer, tensor):
    first = layer.data_format == "channels_first"
    return math.prod(tensor.shape[2:] if first else tensor.shape[1:-1])
