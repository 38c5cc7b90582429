"""Reading many pictures at a time, in a process that imports no Keras."""

import numpy as np

from keras_css_runtime.errors import UserError
from keras_css_runtime.pictures import to_array


def read_pictures(sources, boxes, margin, shape, crop_fraction):
    """Returns pictures as one array, and what is wrong with some.

    Args:
        sources: List of what `to_array` takes.
        boxes: List of boxes, or None.
        margin: Around the boxes.
        shape: `(H, W, channels)`.
        crop_fraction: Part of each side that is kept.

    Returns:
        `(images, faults)`: a uint8 array `(N, H, W, channels)` and a dict from
        the index of a bad picture, whose image is black, to what is wrong.
    """
    images = np.zeros((len(sources), *shape), "uint8")
    faults = {}
    for i, source in enumerate(sources):
        box = None if boxes is None else boxes[i]
        try:
            images[i] = to_array(source, shape, crop_fraction, box, margin)
        except UserError as error:
            faults[i] = str(error)
    return images, faults
