"""Encoded pictures that become arrays when somebody looks at them."""

import collections
import hashlib
import pathlib
from concurrent.futures import BrokenExecutor

import numpy as np

from keras_css.errors import UserError
from keras_css_runtime.reader import read_pictures

# Below this, starting processes takes longer than reading.
FEW = 300
MOST_WORKERS = 8
A_TASK = 64
DIGEST_LETTERS = 32
# Begins the digest of what cannot be read, which equals nothing.
UNREAD = "unread "


def digest_of(image):
    """Returns a text that is equal where arrays, or bytes, are."""
    if isinstance(image, np.ndarray):
        image = np.ascontiguousarray(image)
    return hashlib.sha256(image).hexdigest()[:DIGEST_LETTERS]


def name_of(images, row):
    """Returns what to call an image of an array or of `Pictures`."""
    if isinstance(images, Pictures):
        return images.name(row)
    return f"image {row}"


class Pictures:
    """Pictures of any kind and size, read as uint8 arrays of one shape.

    Stands where an array `(N, H, W, channels)` may stand: it has a `shape`, a
    length, and yields arrays when indexed.

    Args:
        sources: List of paths, of files' bytes or of uint8 arrays.
        shape: `(H, W, channels)`, or None as long as it is not decided.
        boxes: float array `(N, 4)` of boxes to cut out (left, top, right,
            bottom), or None.
        margin: Part of a box's sides added around it.
        crop_fraction: Part of each side kept around the centre.
    """

    def __init__(
        self, sources, shape=None, boxes=None, margin=0.0, crop_fraction=1.0
    ):
        self.sources = sources
        self.boxes = boxes
        self.margin = margin
        self.crop_fraction = crop_fraction
        self._shape = shape

    dtype = np.dtype("uint8")

    @property
    def shape(self):
        return (len(self.sources), *self._shape)

    def __len__(self):
        return len(self.sources)

    def __getitem__(self, rows):
        """Returns the uint8 array of some rows.

        Raises:
            UserError: If one of them cannot be read.
        """
        rows = np.arange(len(self))[rows]
        if rows.ndim == 0:
            return self[rows[None]][0]
        parts = [np.zeros((0, *self._shape), "uint8")]
        for images, faults in self.read(rows):
            for fault in faults.values():
                raise UserError(fault)
            parts.append(images)
        return np.concatenate(parts)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def take(self, rows):
        """Returns the `Pictures` of some rows, unread."""
        rows = np.arange(len(self))[rows]
        return Pictures(
            [self.sources[row] for row in rows],
            self._shape,
            None if self.boxes is None else self.boxes[rows],
            self.margin,
            self.crop_fraction,
        )

    def sized(self, shape, crop_fraction=1.0, boxes=True, margin=0.0):
        """Returns the same pictures, to be read in another way."""
        return Pictures(
            self.sources,
            tuple(shape),
            self.boxes if boxes else None,
            margin,
            crop_fraction,
        )

    def name(self, row):
        """Returns what to call a picture in a message."""
        source = self.sources[row]
        if isinstance(source, (str, pathlib.Path)):
            return str(source)
        return f"picture {row}"

    def read(self, rows):
        """Reads rows, in their order, with bounded memory.

        Many are read by processes of their own, a few where the caller runs.

        Args:
            rows: Array of indices.

        Yields:
            `(images, faults)` for the next rows: a uint8 array and a dict
            from a row to what is wrong with it.
        """
        tasks = [rows[i : i + A_TASK] for i in range(0, len(rows), A_TASK)]
        if len(rows) < FEW:
            for task in tasks:
                yield self._named(task, self.take(task)._decode())
            return
        running = collections.deque()
        while tasks or running:
            while tasks and len(running) < 2 * worker_count():
                task = tasks.pop(0)
                running.append((task, self.submit(task)))
            task, future = running.popleft()
            yield self._named(task, self._result(task, future))

    def digest(self, row):
        """Returns a text that is equal where the bytes of pictures are."""
        source = self.sources[row]
        if not isinstance(source, (str, pathlib.Path)):
            return digest_of(source)
        try:
            with open(source, "rb") as file:
                empty = not file.peek(1)
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            empty = True
        # It is judged when it is decoded.
        return f"{UNREAD}{source}" if empty else found[:DIGEST_LETTERS]

    def submit(self, rows, place=None):
        """Begins to read rows in another process.

        Args:
            rows: Array of indices.
            place: Where to write the images, as `read_pictures` takes it.

        Returns:
            A future whose result is that of `read_pictures`.
        """
        part = self.take(rows)
        return _workers().submit(read_pictures, *part._arguments(), place)

    def result(self, rows, future, place=None):
        """Returns `(images, faults)` of what `submit` began.

        Work of a process that was killed is done once more.
        """
        return self._named(rows, self._result(rows, future, place))

    def _result(self, rows, future, place=None):
        try:
            return future.result()
        except BrokenExecutor:
            pass
        try:
            return self.submit(rows, place).result()
        except BrokenExecutor as error:
            raise UserError(
                "The processes that read pictures must be left alive, but "
                "were killed twice over the same ones, perhaps because memory "
                "ran out: use a smaller batch size, or see what kills them."
            ) from error

    def _named(self, rows, found):
        """Tells faults by their row, and by the picture's name."""
        images, faults = found
        for i, fault in faults.items():
            if isinstance(self.sources[rows[i]], bytes):
                faults[i] = f"{self.name(rows[i])}: {fault}"
        return images, {int(rows[i]): f for i, f in faults.items()}

    def _decode(self):
        return read_pictures(*self._arguments())

    def _arguments(self):
        return (
            *(self.sources, self.boxes, self.margin),
            *(self._shape, self.crop_fraction),
        )


def worker_count():
    """Returns how many processes read pictures."""
    # Imported where pictures are read: arrays need no processes.
    import loky

    return min(MOST_WORKERS, loky.cpu_count())


def _workers():
    import loky

    # Kept by loky between calls, and started anew if one was killed. Its
    # processes do not run the user's main module again, as those of
    # multiprocessing would, and do not fork a process that runs a backend.
    return loky.get_reusable_executor(worker_count(), timeout=60)
