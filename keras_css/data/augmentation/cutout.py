"""A random square without content."""

import dataclasses

import keras
from keras import ops

from keras_css.data.augmentation.transform import Transform
from keras_css_runtime.settings import ANY_COUNT


@keras.saving.register_keras_serializable(package="keras_css")
@dataclasses.dataclass(frozen=True)
class Cutout(Transform):
    """Fills a square around a random pixel with the image's mean colour.

    T. DeVries and G. Taylor, Improved Regularization of Convolutional Neural
    Networks with Cutout, arXiv 1708.04552; there with the mean of the set.

    Attributes:
        size: Side of the square in pixels; at the border less is seen of it.
    """

    size: int

    num_draws = 2
    rules = {"size": ANY_COUNT}

    def __call__(self, images, draws):
        height, width = images.shape[1:3]
        rows = self._hit(draws[:, 0], height)
        columns = self._hit(draws[:, 1], width)
        inside = ops.logical_and(
            ops.reshape(rows, (-1, height, 1, 1)),
            ops.reshape(columns, (-1, 1, width, 1)),
        )
        return ops.where(
            inside, ops.mean(images, axis=(1, 2), keepdims=True), images
        )

    def _hit(self, draws, length):
        first = ops.floor(draws * length) - self.size // 2
        offset = ops.arange(length, dtype="float32") - ops.expand_dims(first, 1)
        return ops.logical_and(offset >= 0, offset < self.size)
