"""What a data set is to the rest of the project."""

import dataclasses

import numpy as np

from keras_css.errors import UserError


@dataclasses.dataclass(frozen=True)
class Split:
    """Images and labels that belong together.

    Attributes:
        images: uint8 array `(N, H, W, c)`.
        labels: int32 array `(N,)`.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def take(self, index):
        """Returns the part with these indices."""
        return Split(self.images[index], self.labels[index])


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Settings that suit a data set where the user says nothing.

    Attributes:
        network_a: Backbone of the first network.
        network_b: Backbone of the second network.
        epochs: Number of epochs.
        batch_size: Images a step.
        learning_rate: Full rate of SGD.
        crop_padding: Pixels of zero padding for random crops; 0 for none.
        horizontal_flip: Whether a mirrored image is still of its class.
    """

    network_a: str = "resnet20"
    network_b: str = "resnet14"
    epochs: int = 300
    batch_size: int = 128
    learning_rate: float = 0.1
    crop_padding: int = 4
    horizontal_flip: bool = True


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A named data set with its parts for training and for testing.

    Attributes:
        class_names: Tuple of C names.
        train: All training images, before a validation part is taken.
        test: Images that are looked at once, at the end.
        recipe: The settings that suit it.
    """

    class_names: tuple
    train: Split
    test: Split
    recipe: Recipe

    @property
    def num_classes(self):
        return len(self.class_names)


def split_off_validation(split, fraction, seed):
    """Takes a stratified validation part out of a split.

    Of each class the nearest whole number to `fraction` of its images is
    taken, at least one where the class has more than one image.

    Args:
        split: A `Split`.
        fraction: In [0, 1).
        seed: Decides which images are taken.

    Returns:
        `(train, validation)`, disjoint; validation is empty for fraction 0.

    Raises:
        UserError: If the fraction is out of range.
    """
    if not 0 <= fraction < 1:
        raise UserError(
            "validation_fraction must lie in [0, 1). "
            f"Received: validation_fraction={fraction}"
        )
    rng = np.random.default_rng([seed, 0x5EED])
    taken = np.zeros(len(split), bool)
    for label in np.unique(split.labels):
        members = np.flatnonzero(split.labels == label)
        count = round(fraction * len(members))
        if fraction > 0 and len(members) > 1:
            count = min(max(count, 1), len(members) - 1)
        taken[rng.permutation(members)[:count]] = True
    return split.take(~taken), split.take(taken)


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
