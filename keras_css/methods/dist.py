"""DIST: a student keeps its teacher's relations, not its probabilities.

Knowledge Distillation from A Stronger Teacher (Huang et al. 2022, arXiv
2205.10536).
"""

import keras
from keras import ops

from keras_css.methods.kd import KD
from keras_css.methods.losses import batch_mean
from keras_css_runtime.settings import NOT_NEGATIVE

# Keeps what does not vary from dividing by zero.
LEAST_SQUARE = 1e-16


@keras.saving.register_keras_serializable(package="keras_css")
class DIST(KD):
    """Probabilities need only be a linear function of the teacher's.

        L = sum over networks of ce_weight CE(z) + kd_weight w(e) T^2 [
            beta mean over images of (1 - r of an image's probabilities)
            + gamma mean over classes of (1 - r of a class' probabilities)]

    r is Pearson's correlation of network and teacher, of probabilities at T:
    over the classes of an image, and over the images of the batch; a mean over
    teachers. Weights and T are the paper's for CIFAR-100.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e); 0 for 1.
        ce_weight: Of the cross-entropy.
        kd_weight: Of what teachers teach.
        beta: Of the relations between classes.
        gamma: Of those between images.
    """

    rules = {"beta": NOT_NEGATIVE, "gamma": NOT_NEGATIVE}

    def __init__(
        self,
        temperature=4.0,
        ramp_up_epochs=0,
        ce_weight=1.0,
        kd_weight=1.0,
        beta=2.0,
        gamma=2.0,
        **kwargs,
    ):
        super().__init__(
            temperature, ramp_up_epochs, ce_weight, kd_weight, **kwargs
        )
        self.beta = beta
        self.gamma = gamma

    def learned(self, target, logits, labels, sample_weight):
        target = ops.stop_gradient(target)
        q, p = (
            ops.softmax(self.compared(z) / self.temperature, axis=1)
            for z in (target, logits)
        )
        inter = batch_mean(1.0 - correlation(q, p, axis=1), sample_weight)
        if sample_weight is None:
            intra = batch_mean(1.0 - correlation(q, p, axis=0))
        else:
            weight = ops.cast(ops.reshape(sample_weight, (-1, 1, 1)), p.dtype)
            apart = batch_mean(1.0 - correlation(q, p, axis=0, weight=weight))
            # As everywhere, twice the weights are twice the loss.
            intra = batch_mean(weight) * apart
        return self.temperature**2 * (self.beta * inter + self.gamma * intra)

    def get_config(self):
        return {**super().get_config(), "beta": self.beta, "gamma": self.gamma}


def correlation(a, b, axis, weight=1.0):
    """Returns Pearson's correlation along an axis.

    Args:
        a, b: Tensors `(B, C, t)` and `(B, C, 1)`.
        axis: 0 or 1.
        weight: Of each sample, `(B, 1, 1)`, or 1.
    """

    def unit(values):
        weights = ops.ones_like(values) * weight
        total = ops.sum(weights, axis=axis, keepdims=True) + LEAST_SQUARE
        middle = ops.sum(weights * values, axis=axis, keepdims=True) / total
        centred = ops.sqrt(weights) * (values - middle)
        squares = ops.sum(ops.square(centred), axis=axis, keepdims=True)
        return centred / ops.sqrt(squares + LEAST_SQUARE)

    return ops.sum(unit(a) * unit(b), axis=axis)
