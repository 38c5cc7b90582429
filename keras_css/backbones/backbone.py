"""What a backbone is: an ordered list of stages and where it is cut."""

import keras

from keras_css.errors import UserError
from keras_css_runtime.settings import Number


class Backbone:
    """An architecture as an ordered list of stages, cut in trunk and tail.

    A backbone holds no weights: `trunk()` and `tail()` return fresh layers,
    so that every branch of a network gets a tail of its own. A subclass
    defines `stages()`, `feature_dim` and `get_config()`.

    Args:
        split: How many stages make up the trunk; at least one is left to the
            tail.

    Attributes:
        normalisation: `(scale, offset)`, lists of one number a channel: what
            its weights expect of pixels from 0 to 255, `x * scale + offset`.
            None where the data set's own statistics serve.
        feature_dim: D, the width of the last stage's map.
    """

    normalisation = None
    feature_dim = None

    def __init__(self, split):
        count = len(self.stages())
        if not Number(1, count - 1, whole=True).takes(split):
            raise UserError(
                f"The split of {type(self).__name__} must lie in "
                f"[1, {count - 1}]. Received: split={split}"
            )
        self.split = split

    def stages(self):
        """Returns fresh Keras layers, images in, feature maps out."""
        raise NotImplementedError(f"{type(self).__name__} needs stages().")

    def further_stage(self):
        """Returns a fresh layer that could follow the last stage, or None.

        One more of the last stage's kind which keeps the size of the map; a
        method may hang a classifier on it (HSSAKD).
        """
        return None

    def trunk(self):
        """Returns a fresh layer: images `(B, H, W, c)` -> `(B, h, w, d)`."""
        return keras.Sequential(self.stages()[: self.split], name="trunk")

    def tail(self):
        """Returns a fresh layer: `(B, h, w, d)` -> pooled features `(B, D)`."""
        pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
        return keras.Sequential([*self.stages()[self.split :], pool])

    def check_image_shape(self, shape):
        """Raises `UserError` unless images `(H, W, channels)` suit it."""

    def about(self):
        """Returns what an exported file says of it, as JSON can hold it."""
        return keras.saving.serialize_keras_object(self)

    def smallest_side(self, channels):
        """Returns from which power of two on images are large enough, or None.

        None where trunk and tail take no size up to 256 pixels.
        """
        for side in (2**k for k in range(9)):
            try:
                shape = (None, side, side, channels)
                for part in (self.trunk(), self.tail()):
                    part.build(shape)
                    shape = part.compute_output_shape(shape)
            except ValueError:
                continue
            return side
        return None

    def get_config(self):
        return {"split": self.split}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
