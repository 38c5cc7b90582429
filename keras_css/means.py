"""The mean as every backend should compute it."""

import keras
from keras import ops


def mean(x, axis=None):
    """Returns the mean, in the type of the values.

    Keras' own mean rounds float64 to float32 on PyTorch.

    Args:
        x: Float tensor.
        axis: Number, tuple of numbers, or None for all axes.
    """
    if keras.backend.standardize_dtype(x.dtype) != "float64":
        return ops.mean(x, axis=axis)
    total = ops.sum(x, axis=axis)
    return total / ops.cast(ops.size(x) / ops.size(total), x.dtype)
