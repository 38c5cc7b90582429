"""Augmentation of training images, batched, on the device."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_css")
class PadAndCrop(keras.layers.Layer):
    """Shifts each image by up to `padding` pixels, zeros moving in.

    The random crop of the CIFAR recipes: pad all sides with zeros, cut out
    the original size at a random place, a different one for each image.

    Args:
        padding: Pixels on each side.
        seed: Of the random places.

    Call arguments:
        images: Tensor `(B, H, W, c)`.

    Returns:
        Tensor of the same shape in the layer's compute dtype (uint8 values
        are exact in it).
    """

    def __init__(self, padding, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=None):
        if not training or not self.padding:
            return images
        images = ops.cast(images, self.compute_dtype)
        size = ops.shape(images)
        pad = self.padding
        padded = ops.pad(images, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        offsets = keras.random.randint(
            (2, size[0]), 0, 2 * pad + 1, seed=self.generator
        )
        # Picking rows and columns with one-hot matrices is a matrix product,
        # fast and alike on all backends, where a gather is neither.
        rows = self._picker(offsets[0], size[1])
        columns = self._picker(offsets[1], size[2])
        picked = ops.einsum("bhr,brwc->bhwc", rows, padded)
        return ops.einsum("bxw,bhwc->bhxc", columns, picked)

    def _picker(self, offsets, length):
        places = ops.expand_dims(offsets, 1) + ops.arange(
            length, dtype=offsets.dtype
        )
        return ops.one_hot(
            places, length + 2 * self.padding, dtype=self.compute_dtype
        )

    def get_config(self):
        return {
            **super().get_config(),
            "padding": self.padding,
            "seed": self.seed,
        }


def augmentation(crop_padding, horizontal_flip, seed):
    """Returns the layer that changes training images, or None.

    Args:
        crop_padding: Pixels for `PadAndCrop`; 0 for none.
        horizontal_flip: Whether half of the images are mirrored.
        seed: Of all random choices.
    """
    layers = []
    if crop_padding:
        layers.append(PadAndCrop(crop_padding, seed=seed, dtype="float32"))
    if horizontal_flip:
        layers.append(
            keras.layers.RandomFlip(
                "horizontal",
                seed=seed + 1,
                data_format="channels_last",
                dtype="float32",
            )
        )
    return keras.Sequential(layers, name="augmentation") if layers else None
