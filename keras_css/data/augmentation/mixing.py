"""Mixing each image with another one of its batch, and their labels."""

import functools

import keras
import numpy as np
from keras import ops

from keras_css.errors import UserError
from keras_css_runtime.settings import Number
from keras_css_runtime.settings import check_settings

# Steps of the table from a uniform number to one of the beta distribution.
STEPS = 1024
RULES = {
    "mixup": Number(0, 100),
    "cutmix": Number(0, 100),
    "probability": Number(0, 1, above=True),
}


@keras.saving.register_keras_serializable(package="keras_css")
class Mixing(keras.layers.Layer):
    """Mixup (arXiv 1710.09412) and CutMix (arXiv 1905.04899).

    The partner of an image is its neighbour in the shuffled batch; the share
    is one for the whole batch. With both, each batch gets one of them.

    Args:
        mixup: Alpha of the beta distribution of mixup's shares; 0 for none.
        cutmix: Alpha of CutMix's; 0 for none.
        probability: Share of the batches that are mixed, in (0, 1].

    Call arguments:
        images: float32 `(B, H, W, c)`.
        draws: float32 `(B, 4)` in [0, 1); the first row decides for all.

    Raises:
        UserError: If an argument is out of range, or both alphas are 0.

    Returns:
        `(images, share)`: the mixed images, and the share of an image's own
        label, a scalar in [0, 1]; the rest is its partner's.
    """

    num_draws = 4

    def __init__(self, mixup=0.0, cutmix=0.0, probability=1.0, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        check_settings(
            RULES,
            {"mixup": mixup, "cutmix": cutmix, "probability": probability},
        )
        if not mixup and not cutmix:
            raise UserError(
                "Mixing needs mixup or cutmix above 0, received 0 for both: "
                "leave it out to mix nothing."
            )
        self.mixup = mixup
        self.cutmix = cutmix
        self.probability = probability

    def call(self, images, draws):
        kind, chance, *centre = (draws[0, i] for i in range(self.num_draws))
        if self.probability == 1:
            return self._mixed(images, kind, chance, centre)
        kind = kind / self.probability
        mixed, share = self._mixed(images, kind, chance, centre)
        return (
            ops.where(kind < 1, mixed, images),
            ops.where(kind < 1, share, 1.0),
        )

    def _mixed(self, images, kind, chance, centre):
        other = partner(images)
        if self.mixup:
            share = _beta(self.mixup, chance)
            blended = share * images + (1 - share) * other
            if not self.cutmix:
                return blended, share
        own = self._outside_of_box(chance, centre, *images.shape[1:3])
        patched = ops.where(own, images, other)
        kept = ops.mean(ops.cast(own, "float32"))
        if not self.mixup:
            return patched, kept
        return (
            ops.where(kind < 0.5, blended, patched),
            ops.where(kind < 0.5, share, kept),
        )

    def _outside_of_box(self, chance, centre, height, width):
        side = ops.sqrt(1 - _beta(self.cutmix, chance))
        inside = [
            ops.abs(ops.arange(n, dtype="float32") + 0.5 - place * n)
            < side * n / 2
            for place, n in zip(centre, (height, width))
        ]
        box = ops.logical_and(
            ops.reshape(inside[0], (1, height, 1, 1)),
            ops.reshape(inside[1], (1, 1, width, 1)),
        )
        return ops.logical_not(box)

    def get_config(self):
        return {
            **super().get_config(),
            "mixup": self.mixup,
            "cutmix": self.cutmix,
            "probability": self.probability,
        }


def partner(batch):
    """Returns each entry's neighbour, of images or of labels."""
    return ops.roll(batch, 1, axis=0)


def mixed_labels(labels, share):
    """Returns the labels of mixed images.

    Args:
        labels: Distributions over the classes `(B, C)`.
        share: Of an image's own label, a scalar.
    """
    share = ops.cast(share, labels.dtype)
    return share * labels + (1 - share) * partner(labels)


def dominant_labels(labels, share):
    """Returns the class of each mixed image that has the larger share.

    Args:
        labels: Integer tensor `(B,)`.
        share: Of an image's own label, a scalar; at 0.5 its own counts.
    """
    return ops.where(share >= 0.5, labels, partner(labels))


@functools.cache
def _quantiles(alpha):
    from scipy.stats import beta

    return beta.ppf(np.linspace(0, 1, STEPS + 1), alpha, alpha)


def _beta(alpha, uniform):
    """Returns the quantile of Beta(alpha, alpha), from a table."""
    table = ops.convert_to_tensor(_quantiles(alpha), dtype="float32")
    place = uniform * STEPS
    below = ops.floor(place)
    index = ops.cast(below, "int32")
    low = ops.take(table, index)
    high = ops.take(table, ops.minimum(index + 1, STEPS))
    return low + (place - below) * (high - low)
