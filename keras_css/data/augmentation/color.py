"""Random changes of colour and light."""

import dataclasses
import math

import keras
from keras import ops

from keras_css.data.augmentation.transform import Transform
from keras_css_runtime.settings import Number

# ITU-R BT.601: what red, green and blue add to brightness.
LUMA = (0.299, 0.587, 0.114)


@keras.saving.register_keras_serializable(package="keras_css")
@dataclasses.dataclass(frozen=True)
class ColorJitter(Transform):
    """Changes brightness, contrast, saturation and hue, in this order.

    Attributes:
        brightness: Factor from `1 - brightness` to `1 + brightness`.
        contrast: Likewise, around the mean grey of the image.
        saturation: Likewise, around the grey of each pixel.
        hue: Turn of the colour circle, from `-hue` to `hue`; 0.5 is half.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.0

    num_draws = 4
    rules = {
        "brightness": Number(0, 1),
        "contrast": Number(0, 1),
        "saturation": Number(0, 1),
        "hue": Number(0, 0.5),
    }

    def __call__(self, images, draws):
        spread = 2 * draws - 1
        images = scale(images, 1 + self.brightness * spread[:, 0])
        images = contrast(images, 1 + self.contrast * spread[:, 1])
        images = saturate(images, 1 + self.saturation * spread[:, 2])
        if self.hue:
            images = turn_hue(images, self.hue * spread[:, 3])
        return images


def scale(images, factor):
    """Multiplies each image `(H, W, c)` by its factor `(B,)`."""
    return _clip(images * _of_image(factor))


def contrast(images, factor):
    """Moves pixels away from the mean grey of their image."""
    middle = ops.mean(grey(images), axis=(1, 2), keepdims=True)
    return _clip(middle + (images - middle) * _of_image(factor))


def saturate(images, factor):
    """Moves channels away from the grey of their pixel."""
    if images.shape[-1] != 3:
        return images
    middle = grey(images)
    return _clip(middle + (images - middle) * _of_image(factor))


def turn_hue(images, turn):
    """Turns the colours of each image around the grey axis, in YIQ."""
    if images.shape[-1] != 3:
        return images
    angle = _of_image(2 * math.pi * turn)
    red, green, blue = (images[..., i : i + 1] for i in range(3))
    luma = grey(images)
    in_phase = 0.596 * red - 0.274 * green - 0.322 * blue
    quadrature = 0.211 * red - 0.523 * green + 0.312 * blue
    i = ops.cos(angle) * in_phase - ops.sin(angle) * quadrature
    q = ops.sin(angle) * in_phase + ops.cos(angle) * quadrature
    turned = [
        luma + 0.956 * i + 0.621 * q,
        luma - 0.272 * i - 0.647 * q,
        luma - 1.106 * i + 1.703 * q,
    ]
    return _clip(ops.concatenate(turned, axis=-1))


def grey(images):
    """Returns the brightness of each pixel, `(B, H, W, 1)`."""
    if images.shape[-1] != 3:
        return ops.mean(images, axis=-1, keepdims=True)
    weights = ops.convert_to_tensor(LUMA, dtype=images.dtype)
    return ops.sum(images * weights, axis=-1, keepdims=True)


def _of_image(values):
    return ops.reshape(values, (-1, 1, 1, 1))


def _clip(images):
    return ops.clip(images, 0, 255)
