"""Random parts of images, and their mirror images."""

import dataclasses
import math

import keras
from keras import ops

from keras_css.data.augmentation.transform import Transform

register = keras.saving.register_keras_serializable(package="keras_css")


@register
@dataclasses.dataclass(frozen=True)
class PadAndCrop(Transform):
    """Cuts out a random place of the image with zeros around it.

    With the size of the images, the random crop of the CIFAR recipes; with a
    smaller one and no padding, a random crop.

    Attributes:
        padding: Pixels of zeros on each side.
        size: `(height, width)` of what is cut out; None for the image's own.
    """

    padding: int = 0
    size: tuple | None = None

    num_draws = 2

    def __call__(self, images, draws):
        height, width = images.shape[1:3]
        size = tuple(self.size or (height, width))
        top = self._start(draws[:, 0], height - size[0])
        left = self._start(draws[:, 1], width - size[1])
        return scaled_window(images, top, size[0], left, size[1], size)

    def _start(self, draws, room):
        places = room + 2 * self.padding + 1
        return ops.floor(draws * places) - self.padding


@register
@dataclasses.dataclass(frozen=True)
class RandomResizedCrop(Transform):
    """Scales a random part of each image to full size.

    The part has a random area and a random aspect ratio, as in C. Szegedy et
    al., Going Deeper with Convolutions, 2015; one that would be larger than
    the image is cut to its side.

    Attributes:
        size: `(height, width)` of the result.
        least_area: Of the part, as a fraction of the image's; the largest is
            all of it.
        aspect: Most that a side of the part may be longer than the other,
            compared with the image's own sides.
    """

    size: tuple
    least_area: float = 0.08
    aspect: float = 4 / 3

    num_draws = 4

    def __call__(self, images, draws):
        height, width = images.shape[1:3]
        area = self.least_area + (1 - self.least_area) * draws[:, 0]
        ratio = ops.exp(math.log(self.aspect) * (2 * draws[:, 1] - 1))
        high = ops.minimum(ops.sqrt(area / ratio), 1) * height
        wide = ops.minimum(ops.sqrt(area * ratio), 1) * width
        top = draws[:, 2] * (height - high)
        left = draws[:, 3] * (width - wide)
        return scaled_window(images, top, high, left, wide, tuple(self.size))


@register
@dataclasses.dataclass(frozen=True)
class HorizontalFlip(Transform):
    """Mirrors half of the images, left to right."""

    num_draws = 1

    def __call__(self, images, draws):
        mirrored = ops.reshape(draws[:, 0] < 0.5, (-1, 1, 1, 1))
        return ops.where(mirrored, ops.flip(images, 2), images)


def scaled_window(images, top, height, left, width, size):
    """Scales a window of each image to one size, bilinear and antialiased.

    Args:
        images: float32 `(B, H, W, c)`.
        top: First row of each window, `(B,)`; rows outside the image are 0.
        height: Rows of each window, `(B,)` or a number.
        left: First column of each window, `(B,)`.
        width: Columns of each window, `(B,)` or a number.
        size: `(h, w)`.

    Returns:
        float32 `(B, h, w, c)`.
    """
    # Weighting rows, then columns, is a matrix product, fast and alike on all
    # backends, where a gather is neither.
    rows = _weights(top, height, size[0], images.shape[1])
    columns = _weights(left, width, size[1], images.shape[2])
    picked = ops.einsum("bhr,brwc->bhwc", rows, images)
    return ops.einsum("bxw,bhwc->bhxc", columns, picked)


def _weights(start, extent, count, length):
    """Returns how much of each of `length` pixels goes into each of `count`."""
    step = ops.reshape(extent / count + 0 * start, (-1, 1, 1))
    centres = ops.reshape(ops.arange(count, dtype="float32") + 0.5, (1, -1, 1))
    place = ops.reshape(start, (-1, 1, 1)) + step * centres - 0.5
    pixels = ops.reshape(ops.arange(length, dtype="float32"), (1, 1, -1))
    distance = ops.abs(ops.clip(place, 0, length - 1) - pixels)
    weights = ops.relu(1 - distance / ops.maximum(step, 1))
    weights = weights / ops.sum(weights, axis=2, keepdims=True)
    inside = ops.logical_and(place > -0.75, place < length - 0.25)
    return weights * ops.cast(inside, weights.dtype)
