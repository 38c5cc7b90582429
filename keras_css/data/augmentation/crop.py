"""Random parts of images, and their mirror images."""

import dataclasses
import math

import keras
from keras import ops

from keras_css.data.augmentation.transform import Transform
from keras_css_runtime.settings import ANY_COUNT
from keras_css_runtime.settings import Number
from keras_css_runtime.settings import Sides

register = keras.saving.register_keras_serializable(package="keras_css")


class PixelPick(Transform):
    """A change after which every pixel is one of the image's, or 0.

    `Augmentation` carries out neighbours of this kind in one step.
    """

    leaves_image = False

    def pick(self, height, width, draws):
        """Says where the pixels of the result come from.

        Args:
            height: Of the image.
            width: Of the image.
            draws: float32 `(B, num_draws)` in [0, 1).

        Returns:
            `(rows, columns)`: int32 `(B, h)` and `(B, w)`, indices of the
            image, or None for all of them as they are. Those outside of it
            stand for 0, if `leaves_image`.
        """
        raise NotImplementedError

    def __call__(self, images, draws):
        return picked_pixels(images, [(self, draws)])


@register
@dataclasses.dataclass(frozen=True)
class PadAndCrop(PixelPick):
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
    rules = {"padding": ANY_COUNT, "size": Sides(optional=True)}

    @property
    def leaves_image(self):
        return self.padding > 0

    def pick(self, height, width, draws):
        size = tuple(self.size or (height, width))
        return (
            self._window(draws[:, 0], height, size[0]),
            self._window(draws[:, 1], width, size[1]),
        )

    def _window(self, draws, length, size):
        places = length - size + 2 * self.padding + 1
        start = ops.cast(ops.floor(draws * places), "int32") - self.padding
        return ops.expand_dims(start, 1) + ops.arange(size, dtype="int32")


@register
@dataclasses.dataclass(frozen=True)
class HorizontalFlip(PixelPick):
    """Mirrors half of the images, left to right."""

    num_draws = 1

    def pick(self, height, width, draws):
        columns = ops.expand_dims(ops.arange(width, dtype="int32"), 0)
        mirrored = draws[:, :1] < 0.5
        return None, ops.where(mirrored, width - 1 - columns, columns)


def picked_pixels(images, picks):
    """Carries out several picks, one after the other, in one gather.

    Args:
        images: Tensor `(B, H, W, c)` of any dtype.
        picks: List of `(PixelPick, draws)`.

    Returns:
        Tensor `(B, h, w, c)` of the same dtype.
    """
    height, width, channels = images.shape[1:]
    count = ops.shape(images)[0]
    rows, columns, outside = None, None, False
    for pick, draws in picks:
        size = (
            height if rows is None else rows.shape[1],
            width if columns is None else columns.shape[1],
        )
        more = pick.pick(*size, draws)
        rows, columns = (
            _follow(indices, chosen, pick.leaves_image)
            for indices, chosen in zip((rows, columns), more)
        )
        outside = outside or pick.leaves_image
    if rows is None:
        rows = ops.expand_dims(ops.arange(height, dtype="int32"), 0)
    if columns is None:
        columns = ops.expand_dims(ops.arange(width, dtype="int32"), 0)
    row, column = ops.expand_dims(rows, 2), ops.expand_dims(columns, 1)
    if outside:
        inside = ops.logical_and(_inside(row, height), _inside(column, width))
        row = ops.clip(row, 0, height - 1)
        column = ops.clip(column, 0, width - 1)
    image = ops.arange(count, dtype="int32") * (height * width)
    place = ops.reshape(image, (-1, 1, 1)) + row * width + column
    flat = ops.reshape(images, (-1, channels))
    picked = ops.take(flat, ops.reshape(place, (-1,)), axis=0)
    picked = ops.reshape(
        picked, (-1, rows.shape[1], columns.shape[1], channels)
    )
    if not outside:
        return picked
    return picked * ops.cast(ops.expand_dims(inside, 3), picked.dtype)


def _follow(first, second, outside):
    """Returns the source of what `second` picks of what `first` picked."""
    if second is None:
        return first
    if first is None:
        return second
    if not outside:
        return ops.take_along_axis(first, second, axis=1)
    inside = _inside(second, first.shape[1])
    place = ops.clip(second, 0, first.shape[1] - 1)
    return ops.where(inside, ops.take_along_axis(first, place, axis=1), -1)


def _inside(indices, length):
    return ops.logical_and(indices >= 0, indices < length)


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
    rules = {
        "size": Sides(),
        "least_area": Number(0, 1),
        "aspect": Number(1, 100),
    }

    def __call__(self, images, draws):
        height, width = images.shape[1:3]
        area = self.least_area + (1 - self.least_area) * draws[:, 0]
        ratio = ops.exp(math.log(self.aspect) * (2 * draws[:, 1] - 1))
        high = ops.minimum(ops.sqrt(area / ratio), 1) * height
        wide = ops.minimum(ops.sqrt(area * ratio), 1) * width
        top = draws[:, 2] * (height - high)
        left = draws[:, 3] * (width - wide)
        return scaled_window(images, top, high, left, wide, tuple(self.size))


def scaled_window(images, top, height, left, width, size):
    """Scales a window of each image to one size, bilinear and antialiased.

    Args:
        images: float32 `(B, H, W, c)`.
        top: First row of each window, `(B,)`.
        height: Rows of each window, `(B,)` or a number.
        left: First column of each window, `(B,)`.
        width: Columns of each window, `(B,)` or a number.
        size: `(h, w)`.

    Returns:
        float32 `(B, h, w, c)`.
    """
    # Weighting rows, then columns, as matrix products: alike on all backends.
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
    return weights / ops.sum(weights, axis=2, keepdims=True)
