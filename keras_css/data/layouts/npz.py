"""A user's own images in one NumPy file."""

import numpy as np

from keras_css.data.dataset import Split
from keras_css.data.layouts.found import Found
from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.untrusted.arrays import UNREADABLE
from keras_css.untrusted.arrays import read_arrays

PARTS = {"train": "train", "validation": "val", "test": "test"}
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def matches(path):
    """Returns the file if it ends in .npz, else None."""
    return path if path.is_file() and path.suffix.lower() == ".npz" else None


def read(path):
    """Reads `x_train, y_train, x_test, y_test`, `x_val, y_val`, `classes`.

    Args:
        path: The `.npz` file. Images are uint8 `(N, H, W, c)`, labels integers
            `(N,)`; `x_val` and `y_val` need not be there; `classes` holds the
            C names, otherwise C is the largest training label plus one.

    Returns:
        A `Found`.

    Raises:
        UserError: If the file or an array in it does not fit.
    """
    arrays = _read(path)
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise UserError(
            f"{path} must hold {', '.join(ARRAYS)}; missing: "
            f"{', '.join(missing)}."
        )
    splits = {
        part: _split(path, name, arrays[f"x_{name}"], arrays[f"y_{name}"])
        for part, name in PARTS.items()
        if f"x_{name}" in arrays and f"y_{name}" in arrays
    }
    # A range, not an array: one huge label must not fill the memory.
    classes = range(int(splits["train"].labels.max()) + 1)
    if "classes" in arrays:
        classes = arrays["classes"]
        if classes.ndim != 1:
            raise UserError(
                f"classes of {path} must be a list of at least two names, "
                f"received an array of shape {classes.shape}."
            )
    if len(classes) < 2:
        raise UserError(
            f"{path} must have at least two classes, received {len(classes)}."
        )
    images = sum(map(len, splits.values()))
    if len(classes) > max(1000, images):
        raise UserError(
            f"{path} must have labels from 0 to the number of classes less 1, "
            f"received {len(classes)} classes for {images} images: number the "
            "classes without gaps."
        )
    names = [str(name) for name in classes]
    for part, split in splits.items():
        low, high = split.labels.min(), split.labels.max()
        if low < 0 or high >= len(names):
            raise UserError(
                f"y_{PARTS[part]} of {path} must lie in "
                f"[0, {len(names) - 1}] for {len(names)} classes, received "
                f"labels from {low} to {high}."
            )
    shapes = {split.images.shape[1:] for split in splits.values()}
    if len(shapes) != 1:
        raise UserError(
            f"All images of {path} must have one shape, "
            f"received {sorted(shapes)}."
        )
    return Found(str(path), tuple(names), splits)


def _read(path):
    try:
        return read_arrays(path)
    except UNREADABLE as error:
        raise UserError(
            f"{path} must be a .npz file of plain number and text arrays, but "
            f"it is damaged or something else ({first_line(error)}): write it "
            "with numpy.savez."
        ) from error


def _split(path, part, images, labels):
    if images.ndim != 4 or images.dtype != np.uint8 or 0 in images.shape[1:]:
        raise UserError(
            f"x_{part} of {path} must be uint8 of rank 4, (N, H, W, channels), "
            f"received {images.dtype} of shape {images.shape}: add the channel "
            "axis, scale to 0-255 and convert."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"y_{part} of {path} must be integers of shape (N,), received "
            f"{labels.dtype} of shape {labels.shape}: give class indices."
        )
    if len(images) != len(labels) or not len(labels):
        raise UserError(
            f"x_{part} and y_{part} of {path} must be equally many and not "
            f"empty, received {len(images)} images and {len(labels)} labels."
        )
    if labels.min() < 0 or labels.max() > np.iinfo(np.int32).max:
        raise UserError(
            f"y_{part} of {path} must not be negative or huge, received labels "
            f"from {labels.min()} to {labels.max()}."
        )
    return Split(images, labels.astype("int32"))
