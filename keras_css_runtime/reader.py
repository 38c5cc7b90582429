"""Reading many pictures at a time, in a process that imports no Keras."""

import functools
import math
import os

import numpy as np

from keras_css_runtime.errors import UserError
from keras_css_runtime.pictures import to_array


@functools.lru_cache(maxsize=2)
def _mapped(path, inode):
    """Returns a file as an array; touching new pages costs as much as reading.

    The inode tells one file from a later one that is open under its number.
    """
    return np.asarray(np.memmap(path, "uint8", "r+"))


def read_pictures(sources, boxes, margin, shape, crop_fraction, place=None):
    """Returns pictures as one array, and what is wrong with some.

    Args:
        sources: List of what `to_array` takes.
        boxes: List of boxes, or None.
        margin: Around the boxes.
        shape: `(H, W, channels)`.
        crop_fraction: Part of each side that is kept.
        place: `(path, offset)` of a file to write the images into; None to
            return them.

    Returns:
        `(images, faults)`: a uint8 array `(N, H, W, channels)` and a dict from
        the index of a bad picture, whose image is black, to what is wrong.
        With a `place` the images are None.
    """
    size = (len(sources), *shape)
    if place is None:
        images = np.zeros(size, "uint8")
    else:
        path, offset = place
        end = offset + math.prod(size)
        memory = _mapped(path, os.stat(path).st_ino)
        images = memory[offset:end].reshape(size)
    faults = {}
    for i, source in enumerate(sources):
        box = None if boxes is None else boxes[i]
        try:
            images[i] = to_array(source, shape, crop_fraction, box, margin)
        except UserError as error:
            images[i] = 0
            faults[i] = str(error)
    return images if place is None else None, faults
