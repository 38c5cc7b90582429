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
        epoch: 0-based epoch to start with.
    """

    def __init__(self, split, batch_size, seed, epoch=0):
        super().__init__()
        self.split = split
        self.batch_size = min(batch_size, len(split))
        self.seed = seed
        self.epoch = epoch
        self._shuffle()

    def __len__(self):
        return len(self.split) // self.batch_size

    def __getitem__(self, index):
        start = index * self.batch_size
        rows = self.order[start : start + self.batch_size]
        return self.split.images[rows], self.split.labels[rows]

    def on_epoch_end(self):
        self.epoch += 1
        self._shuffle()

    def _shuffle(self):
        rng = np.random.default_rng([self.seed, self.epoch])
        self.order = rng.permutation(len(self.split))


def even_batch_size(count, at_most):
    """Returns the batch size that cuts `count` images most evenly.

    Few sizes mean few compiled shapes: 144 images in batches of at most 128
    become two of 72.
    """
    batches = max(1, math.ceil(count / at_most))
    return max(1, math.ceil(count / batches))
