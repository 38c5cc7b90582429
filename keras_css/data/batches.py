"""Feeding: the same batches for the same seed, on every backend."""

import math

import keras
import numpy as np

from keras_css.data.pictures import Pictures
from keras_css.data.pictures import worker_count
from keras_css.data.resident import ResidentImages
from keras_css.data.shared import SharedBatches
from keras_css.errors import UserError
from keras_css_runtime.settings import ANY_COUNT
from keras_css_runtime.settings import COUNT
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import check_settings

# Keeps the random numbers of images apart from those of the order.
DRAWS = 0xD4A3
VIEW = 0x71E3
# The field of a batch with what teachers say of it: float16 `(B, C, V, t)` of
# t teachers, V the views that networks have of an image, 1 if it is the same.
SAID = "said"
READ_AHEAD_BYTES = 2**28
RULES = {
    "batch_size": COUNT,
    "at_most": COUNT,
    "seed": ANY_COUNT,
    "num_draws": ANY_COUNT,
    "num_views": ANY_COUNT,
    "resident": Flag(),
    "paired": Flag(),
}


class TrainingBatches(keras.utils.PyDataset):
    """Shuffled batches of one size; what is left over waits an epoch.

    The order of an epoch and the random numbers of an image's augmentation
    depend on the seed, the epoch and the place in the epoch alone, so a
    resumed run sees what an uninterrupted one would have seen, and so does one
    that feeds in another way. A last batch of another size would make JAX
    compile the step twice; the images that it would hold differ each epoch.

    Args:
        split: A `Split`.
        batch_size: B, lowered to the size of the split if that is smaller.
        seed: Of order and augmentation.
        num_draws: Uniform numbers that the augmentation of an image takes.
        resident: Whether all images live on the device and a batch is a list
            of their indices.
        paired: Whether each image is followed by another one of its class,
            drawn anew each epoch: half of the images of an epoch are drawn so.
        num_views: Of how many views of each image epochs take one in turn; 0
            for new ones in each epoch.

    Attributes:
        said: None, or a function from a view's number and rows to what
            teachers say of them, the field `SAID` of a batch.

    Yields:
        `(x, labels)`, x a dict with `"draws"`, float32 `(B, num_draws)`, and
        either `"images"`, uint8 `(B, H, W, c)`, or `"rows"`, int32 `(B,)`.
    """

    def __init__(
        self,
        split,
        batch_size,
        seed,
        num_draws=0,
        resident=False,
        paired=False,
        num_views=0,
    ):
        super().__init__()
        check_settings(
            RULES,
            {
                "batch_size": batch_size,
                "seed": seed,
                "num_draws": num_draws,
                "num_views": num_views,
                "resident": resident,
                "paired": paired,
            },
        )
        self.split = split
        self.batch_size = min(batch_size, len(split))
        self.seed = seed
        self.num_draws = num_draws
        self.paired = paired
        self.num_views = num_views
        self.said = None
        self._view = (None, None)
        self.resident = ResidentImages(split.images[:]) if resident else None
        streamed = isinstance(split.images, Pictures) and not resident
        self._ahead = ReadAhead(split.images) if streamed else None
        self.error = None
        self.first = 0
        self.shuffle(epoch=0)

    def __len__(self):
        return self.steps_per_epoch - self.first

    @property
    def steps_per_epoch(self):
        """Batches of a whole epoch."""
        return len(self.split) // self.batch_size

    @property
    def batch_sizes(self):
        """The numbers of images that batches hold."""
        return {self.batch_size}

    def begin_at(self, step):
        """Leaves the first batches of each epoch out, for a resume."""
        self.first = step

    @property
    def image_shape(self):
        """`(H, W, c)` of the images before augmentation."""
        return tuple(self.split.images.shape[1:])

    def whole_epoch(self):
        """Yields all batches of the epoch, those before `begin_at` too."""
        for place in range(self.steps_per_epoch):
            yield self[place - self.first]

    def __getitem__(self, index):
        index += self.first
        rows = self._rows(self.order, index)
        x = {"draws": self._draws(index, rows)}
        if self.resident is not None:
            x["rows"] = rows.astype("int32")
        else:
            x["images"] = self._images(index, rows)
        if self.said is not None:
            x[SAID] = self.said(self.epoch % self.num_views, rows)
        return x, self.split.labels[rows]

    def view(self, number, rows):
        """Returns `x` of a batch of one of the `num_views` views of images."""
        x = {"draws": self._draws_of_view(number)[rows]}
        if self.resident is not None:
            return {**x, "rows": rows.astype("int32")}
        return {**x, "images": self.split.images[rows]}

    def _draws(self, index, rows):
        if self.num_views:
            return self._draws_of_view(self.epoch % self.num_views)[rows]
        rng = np.random.default_rng([self.seed, self.epoch, index, DRAWS])
        return rng.random((len(rows), self.num_draws), "float32")

    def _draws_of_view(self, number):
        """Returns the random numbers of all images, `(N, num_draws)`."""
        if self._view[0] != number:
            rng = np.random.default_rng([self.seed, number, VIEW])
            size = (len(self.split), self.num_draws)
            self._view = number, rng.random(size, "float32")
        return self._view[1]

    def shuffle(self, epoch):
        """Takes the order of a 0-based epoch."""
        self.epoch = epoch
        self.order = self._order(epoch)
        self.next_order = self._order(epoch + 1)

    def _order(self, epoch):
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.split))
        if not self.paired:
            return order
        # The next one in a random ring of the images of a class.
        followed = np.empty_like(order)
        for label in np.unique(self.split.labels):
            ring = rng.permutation(np.flatnonzero(self.split.labels == label))
            followed[ring] = np.roll(ring, 1)
        pairs = np.stack([order, followed[order]], axis=1)
        return pairs.ravel()[: len(order)]

    def _rows(self, order, index):
        start = index * self.batch_size
        return order[start : start + self.batch_size]

    def _images(self, index, rows):
        if self._ahead is None:
            return self.split.images[rows]
        try:
            return self._ahead.take(
                self.epoch * self.steps_per_epoch + index, self._rows_of
            )
        except UserError as error:
            # TensorFlow's pipeline makes another error of it; `fit` asks here.
            self.error = error
            raise

    def _rows_of(self, place):
        epoch, index = divmod(place, self.steps_per_epoch)
        # Two epochs have an order; a batch may be longer than one.
        if epoch > self.epoch + 1:
            return None
        order = self.order if epoch == self.epoch else self.next_order
        return self._rows(order, index)


class EvaluationBatches(keras.utils.PyDataset):
    """The images of a split in their order, in batches of nearly one size.

    Args:
        split: A `Split`.
        at_most: Most images a batch.
        said: Optional function from rows to what teachers say of them.

    Yields:
        `(images, labels)`; with `said` a dict stands for the images, with
        `"images"` and `SAID`.
    """

    def __init__(self, split, at_most=128, said=None):
        super().__init__()
        check_settings(RULES, {"at_most": at_most})
        self.split = split
        self.said = said
        self.batch_size = even_batch_size(len(split), at_most)
        streamed = isinstance(split.images, Pictures)
        self._ahead = ReadAhead(split.images) if streamed else None

    def __len__(self):
        return math.ceil(len(self.split) / self.batch_size)

    @property
    def batch_sizes(self):
        """The numbers of images that batches hold."""
        last = len(self.split) % self.batch_size
        return {self.batch_size, last or self.batch_size}

    def __getitem__(self, index):
        rows = self._rows_of(index)
        if self._ahead is None:
            x = self.split.images[rows]
        else:
            x = self._ahead.take(index, self._rows_of)
        if self.said is not None:
            x = {"images": x, SAID: self.said(rows)}
        return x, self.split.labels[rows]

    @property
    def image_shape(self):
        """`(H, W, c)` of the images."""
        return tuple(self.split.images.shape[1:])

    def _rows_of(self, index):
        if index >= len(self):
            return None
        start = index * self.batch_size
        return np.arange(start, min(start + self.batch_size, len(self.split)))


class ReadAhead:
    """Reads batches of pictures in other processes before they are asked for.

    Args:
        pictures: `Pictures`.
    """

    def __init__(self, pictures):
        self.pictures = pictures
        self._running = {}
        self._span, self._shared, self._begun = range(1), None, False

    def take(self, place, rows_of):
        """Returns the images of a batch.

        Args:
            place: Number of the batch. They are asked for in rising order;
                what is skipped is read in vain.
            rows_of: Function from a number to the rows of that batch, or None
                if it is not known yet or there is none.

        Raises:
            UserError: If a picture cannot be read any more.
        """
        rows = rows_of(place)
        if not self._begun:
            self._begin(len(rows))
        for other in [n for n in self._running if n - place not in self._span]:
            # It may still be writing into a slot.
            self._end(other)
        for coming in (place + step for step in self._span):
            wanted = rows_of(coming) if coming not in self._running else None
            if wanted is not None:
                self._running[coming] = (
                    wanted,
                    self.pictures.submit(wanted, self._place(coming)),
                )
        images, faults = self._end(place)
        for fault in faults.values():
            raise UserError(f"{fault} It could be read when training began.")
        return images

    def _begin(self, size):
        """Decides how many batches are under way at a time."""
        shape = (size, *self.pictures.shape[1:])
        most = READ_AHEAD_BYTES // math.prod(shape)
        self._span = range(max(1, min(2 * worker_count(), most)))
        slots = len(self._span)
        self._shared = None
        if SharedBatches.fits(slots, shape):
            self._shared = SharedBatches(slots, shape)
        self._begun = True

    def _place(self, number):
        if self._shared is None:
            return None
        return self._shared.place(number % len(self._span))

    def _end(self, number):
        """Returns `(images, faults)` of a batch; its slot is free then."""
        rows, future = self._running.pop(number)
        images, faults = self.pictures.result(rows, future, self._place(number))
        if self._shared is not None:
            images = self._shared.copy(number % len(self._span), len(rows))
        return images, faults


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
