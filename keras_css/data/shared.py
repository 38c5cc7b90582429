"""Memory that this process and those that read pictures both see."""

import os
import pathlib
import shutil
import tempfile
import weakref

import numpy as np

PLACE = pathlib.Path("/dev/shm")


class SharedBatches:
    """Slots for batches, in a file of memory that has no name any more.

    Sending arrays through a pipe would take a fifth of the time of reading
    small pictures. Nothing is left behind, however a process ends.

    Args:
        slots: How many batches.
        shape: `(B, H, W, channels)` of the largest batch.
    """

    def __init__(self, slots, shape):
        size = slots * int(np.prod(shape))
        self._file = tempfile.TemporaryFile(dir=PLACE)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._file.truncate(size)
        self._slots = np.memmap(
            self._file, "uint8", "r+", shape=(slots, *shape)
        )
        self._path = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"
        self._bytes = size // slots

    @staticmethod
    def fits(slots, shape):
        """Says whether this system has such memory, and enough of it."""
        if not PLACE.is_dir() or not pathlib.Path("/proc/self/fd").is_dir():
            return False
        size = slots * int(np.prod(shape))
        return shutil.disk_usage(PLACE).free > 2 * size

    def place(self, slot):
        """Returns what another process needs to write into a slot."""
        return self._path, slot * self._bytes

    def copy(self, slot, count):
        """Returns the first images of a slot."""
        return np.array(self._slots[slot, :count])
