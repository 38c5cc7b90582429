"""What a data set is to the rest of the project."""

import dataclasses
import math

import numpy as np

from keras_css.data.pictures import Pictures
from keras_css.data.pictures import name_of

# Of the training images that are measured in the end.
MOST_IMAGES = 5000
MOST_BYTES = 2**27


@dataclasses.dataclass(frozen=True)
class Split:
    """Images and labels that belong together.

    Attributes:
        images: uint8 array `(N, H, W, c)`, or `Pictures` that are read as such
            when indexed.
        labels: int32 array `(N,)`.
        names: Array `(N,)` of what to call images that were read from files
            into an array, or None.
    """

    images: np.ndarray | Pictures
    labels: np.ndarray
    names: np.ndarray | None = None

    def __len__(self):
        return len(self.labels)

    def take(self, index):
        """Returns the part with these indices."""
        names = None if self.names is None else self.names[index]
        if isinstance(self.images, Pictures):
            return Split(self.images.take(index), self.labels[index], names)
        return Split(self.images[index], self.labels[index], names)

    def name(self, row):
        """Returns what to call an image: its file, or a number."""
        if self.names is not None:
            return str(self.names[row])
        return name_of(self.images, row)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings that suit a data set where the user says nothing.

    Attributes:
        network_a: Backbone of the first network.
        network_b: Backbone of the second network.
        epochs: Number of epochs.
        batch_size: Images a step.
        learning_rate: Full rate of SGD.
        image_size: Height and width that networks see; None for those of
            the images, or for a size that suits the pictures.
        crop_fraction: Part of a picture's height and width that networks see:
            around the centre, in training somewhere.
        crop_padding: Pixels of zero padding for random crops; 0 for none.
        random_resized_crop: Least area of a random part of the image that is
            scaled to full size; 0 for none.
        horizontal_flip: Whether a mirrored image is still of its class.
    """

    network_a: str = "resnet20"
    network_b: str = "resnet14"
    epochs: int = 300
    batch_size: int = 128
    learning_rate: float = 0.1
    image_size: tuple | None = None
    crop_fraction: float = 1.0
    crop_padding: int = 4
    random_resized_crop: float = 0.0
    horizontal_flip: bool = True


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set, ready to train on: three parts that share no image.

    Attributes:
        class_names: Tuple of C names.
        train: Images to learn from.
        validation: Images to choose the student on.
        test: Images that are looked at once, at the end.
        recipe: The settings that suit it.
        statistics: Mean and standard deviation of each channel, two lists,
            pixels in [0, 1].
        resident: Whether the training images should live on the device.
        about: Dict for `config.json`: where the images come from, what was
            left out, licence words.
    """

    class_names: tuple
    train: Split
    validation: Split
    test: Split
    recipe: Recipe
    statistics: tuple
    resident: bool
    about: dict

    @property
    def num_classes(self):
        return len(self.class_names)

    def describe(self):
        """Returns words on where the images come from and how many."""
        size = "x".join(map(str, self.image_shape))
        kept = "on the device" if self.resident else "streamed"
        return (
            f"{self.about['where']}: {len(self.train)} training, "
            f"{len(self.validation)} validation, {len(self.test)} test images "
            f"of {size}, {self.num_classes} classes, {kept}"
        )

    @property
    def image_shape(self):
        """`(H, W, channels)` that networks see."""
        return tuple(self.test.images.shape[1:])


def channel_statistics(images):
    """Returns mean and standard deviation of each channel, pixels in [0, 1].

    Args:
        images: uint8 array `(N, H, W, c)`.

    Returns:
        Two lists of c floats; a constant channel has deviation 1.
    """
    counts = np.stack(
        [
            np.bincount(images[..., c].ravel(), minlength=256)
            for c in range(images.shape[-1])
        ]
    )
    share = counts / counts.sum(axis=1, keepdims=True)
    values = np.arange(256) / 255
    mean = share @ values
    deviation = np.sqrt(np.maximum(share @ values**2 - mean**2, 0))
    deviation[deviation < 1e-6] = 1
    return mean.tolist(), deviation.tolist()


def as_evaluated(split, image_shape):
    """Returns a part of the training images as test images are seen.

    Without augmentation and cut around the centre; no more images than are
    measured in little time and memory, spread over all.

    Args:
        split: A `Split` of training images, which may be stored larger than
            networks see them.
        image_shape: `(H, W, c)` that networks see.
    """
    fit = MOST_BYTES // max(1, math.prod(split.images.shape[1:]))
    count = max(1, min(len(split), MOST_IMAGES, fit))
    rows = np.linspace(0, len(split) - 1, count).astype(int)
    images = np.asarray(split.images[rows])
    for axis, side in enumerate(image_shape[:2], start=1):
        first = (images.shape[axis] - side) // 2
        images = np.take(images, np.arange(first, first + side), axis=axis)
    return Split(images, split.labels[rows])
