"""All random changes of a training image, one after the other."""

import keras
from keras import ops

from keras_css.data.augmentation.crop import PixelPick
from keras_css.data.augmentation.crop import picked_pixels


@keras.saving.register_keras_serializable(package="keras_css")
class Augmentation(keras.layers.Layer):
    """Carries out transforms on a batch; does nothing in inference.

    Args:
        transforms: List of `Transform`.

    Call arguments:
        images: Tensor `(B, H, W, c)`, values from 0 to 255.
        draws: float32 `(B, num_draws)` in [0, 1).

    Returns:
        float32 tensor `(B, H', W', c)`.
    """

    def __init__(self, transforms, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.transforms = tuple(transforms)

    @property
    def num_draws(self):
        """How many uniform numbers one image needs."""
        return sum(transform.num_draws for transform in self.transforms)

    def call(self, images, draws, training=None):
        if not training:
            return images
        picks, used = [], 0
        for transform in self.transforms:
            part = draws[:, used : used + transform.num_draws]
            used += transform.num_draws
            if isinstance(transform, PixelPick):
                picks.append((transform, part))
                continue
            images = transform(self._picked(images, picks), part)
            picks = []
        return self._picked(images, picks)

    def _picked(self, images, picks):
        images = picked_pixels(images, picks) if picks else images
        return ops.cast(images, "float32")

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "transforms": [serialize(t) for t in self.transforms],
        }

    @classmethod
    def from_config(cls, config):
        restore = keras.saving.deserialize_keras_object
        transforms = [restore(t) for t in config["transforms"]]
        return cls(**{**config, "transforms": transforms})
