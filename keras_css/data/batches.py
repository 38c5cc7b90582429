"""Feeding: the same batches for the same seed, on every backend."""

import math

import keras
import numpy as np


class TrainingBatches(keras.utils.PyDataset):
    """Shuffled batches of one size; what is left over waits an epoch.

    The order of an epoch depends on the seed and the epoch alone, so a
    resumed run sees what an uninterrupted one would have seen. A last batch
    of another size would make JAX compile the step twice; the images that it
    would hold differ each epoch.

    Args:
        split: A `Split`.
        batch_size: B, lowered to the size of the split if that is smaller.
        seed: Of the order.
    """

    def __init__(self, split, batch_size, seed):
        super().__init__()
        self.split = split
        self.batch_size = min(batch_size, len(split))
        self.seed = seed
        self.shuffle(epoch=0)

    def __len__(self):
        return len(self.split) // self.batch_size

    def __getitem__(self, index):
        start = index * self.batch_size
        rows = self.order[start : start + self.batch_size]
        return self.split.images[rows], self.split.labels[rows]

    def shuffle(self, epoch):
        """Takes the order of a 0-based epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        self.order = rng.permutation(len(self.split))


class Shuffle(keras.callbacks.Callback):
    """Gives each epoch its order; use it with `fit(..., shuffle=False)`.

    Keras' own hooks of a `PyDataset` are called once more, or not, before the
    first epoch, depending on the backend.

    Args:
        batches: The `TrainingBatches` that `fit` gets.
    """

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.shuffle(epoch)


def even_batch_size(count, at_most):
    """Returns the batch size that cuts `count` images most evenly.

    Few sizes mean few compiled shapes: 144 images in batches of at most 128
    become two of 72.
    """
    batches = max(1, math.ceil(count / at_most))
    return max(1, math.ceil(count / batches))
