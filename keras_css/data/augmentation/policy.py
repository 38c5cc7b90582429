"""A random choice among many changes."""

import dataclasses
import math

import keras
from keras import ops

from keras_css.data.augmentation import color
from keras_css.data.augmentation.transform import Transform
from keras_css_runtime.settings import Number

CHANGES = (
    *("identity", "rotate", "shear_x", "shear_y", "translate_x"),
    *("translate_y", "brightness", "contrast", "saturation"),
    *("autocontrast", "posterize", "solarize"),
)
MOST_MAGNITUDE = 10


@keras.saving.register_keras_serializable(package="keras_css")
@dataclasses.dataclass(frozen=True)
class RandAugment(Transform):
    """Carries out a few changes of one strength, chosen for each image.

    In the manner of E. Cubuk et al., RandAugment, arXiv 1909.13719, with 12 of
    its 14 changes: equalisation and sharpening are left out.

    Attributes:
        count: How many changes, one after the other.
        magnitude: Their strength from 0 to 10: at 10 a rotation by 30 degrees,
            a shear by 0.3, a shift by 0.45 of the side, a factor of 0.1 or
            1.9, 4 bits less, everything solarised.
    """

    count: int = 2
    magnitude: float = 9.0

    rules = {
        "count": Number(0, 100, whole=True),
        "magnitude": Number(0, MOST_MAGNITUDE),
    }

    @property
    def num_draws(self):
        return 2 * self.count

    def __call__(self, images, draws):
        for i in range(self.count):
            images = self._change(images, draws[:, 2 * i], draws[:, 2 * i + 1])
        return images

    def _change(self, images, which, direction):
        chosen = ops.floor(which * len(CHANGES))
        strength = self.magnitude / MOST_MAGNITUDE
        signed = strength * ops.where(direction < 0.5, -1.0, 1.0)

        def amount(name):
            """The signed strength where this change was chosen, else 0."""
            return ops.where(chosen == CHANGES.index(name), signed, 0.0)

        def where(name, changed, images):
            hit = ops.reshape(chosen == CHANGES.index(name), (-1, 1, 1, 1))
            return ops.where(hit, changed, images)

        images = _move(
            images,
            math.radians(30) * amount("rotate"),
            *(0.3 * amount("shear_x"), 0.3 * amount("shear_y")),
            *(0.45 * amount("translate_x"), 0.45 * amount("translate_y")),
        )
        images = color.scale(images, 1 + 0.9 * amount("brightness"))
        images = color.contrast(images, 1 + 0.9 * amount("contrast"))
        images = color.saturate(images, 1 + 0.9 * amount("saturation"))
        images = where("autocontrast", _stretch(images), images)
        coarse = 2.0 ** round(4 * strength)
        images = where("posterize", ops.floor(images / coarse) * coarse, images)
        threshold = 256 * (1 - strength)
        solarised = ops.where(images >= threshold, 255 - images, images)
        return where("solarize", solarised, images)


def _move(images, angle, shear_x, shear_y, shift_x, shift_y):
    """Moves each image's pixels around its centre; zeros move in."""
    height, width = images.shape[1:3]
    a, b = ops.cos(angle), ops.sin(angle) + shear_x
    c, d = shear_y - ops.sin(angle), ops.cos(angle)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    zero = ops.zeros_like(angle)
    matrix = ops.stack(
        [
            *(a, b, middle_x - a * middle_x - b * middle_y + shift_x * width),
            *(c, d, middle_y - c * middle_x - d * middle_y + shift_y * height),
            *(zero, zero),
        ],
        axis=1,
    )
    return ops.image.affine_transform(
        images,
        matrix,
        interpolation="bilinear",
        fill_mode="constant",
        data_format="channels_last",
    )


def _stretch(images):
    """Makes the darkest value of each channel 0 and the lightest 255."""
    low = ops.min(images, axis=(1, 2), keepdims=True)
    high = ops.max(images, axis=(1, 2), keepdims=True)
    stretched = (images - low) * (255 / ops.maximum(high - low, 1))
    return ops.minimum(stretched, 255)
