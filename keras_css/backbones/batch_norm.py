"""BatchNorm as PyTorch computes it."""

import keras
from keras import ops

from keras_css.means import mean


@keras.saving.register_keras_serializable(package="keras_css")
class BatchNorm(keras.layers.BatchNormalization):
    """Keras' BatchNormalization with PyTorch's constants and running variance.

    Momentum 0.9 and epsilon 1e-5 instead of 0.99 and 1e-3, and the running
    variance takes the unbiased estimate, n / (n - 1) times the batch's. The
    weights, and so saved files, are those of the Keras layer, of which only
    the last axis, scale and centre are supported.

    The variance is the mean of squared deviations and the output is
    `(x - mean) * scale + beta`: E[x^2] - E[x]^2 and folding the mean into beta,
    as Keras does on some backends, lose digits right where ReLU cuts.
    """

    def __init__(self, momentum=0.9, epsilon=1e-5, **kwargs):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable) or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        double = keras.backend.standardize_dtype(inputs.dtype) == "float64"
        x = ops.cast(inputs, "float64" if double else "float32")
        axes = self._reduction_axes
        middle = mean(x, axis=axes)
        centred = x - middle
        variance = mean(ops.square(centred), axis=axes)
        count = ops.cast(ops.size(x) / ops.size(middle), x.dtype)
        self.take_statistics(middle, variance, count)
        scale = ops.rsqrt(variance + self.epsilon) * self.gamma
        return ops.cast(centred * scale + self.beta, self.compute_dtype)

    def take_statistics(self, mean, variance, count):
        """Moves the running statistics towards those of a batch.

        Args:
            mean: `(c,)`.
            variance: `(c,)`, the mean of squared deviations.
            count: How many values a channel had.
        """
        unbiased = variance * (count / ops.maximum(count - 1.0, 1.0))
        self.move(self.moving_mean, mean)
        self.move(self.moving_variance, unbiased)

    def move(self, average, value):
        average.assign(
            average * self.momentum
            + ops.cast(value, average.dtype) * (1.0 - self.momentum)
        )
