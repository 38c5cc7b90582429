"""A user's own images in one NumPy file."""

import pathlib
import zipfile

import numpy as np

from keras_css.data.dataset import Dataset
from keras_css.data.dataset import Recipe
from keras_css.data.dataset import Split
from keras_css.errors import UserError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def load(data_dir):
    """Reads `x_train, y_train, x_test, y_test` and, if there, `classes`.

    Args:
        data_dir: Path of the `.npz` file. Images are uint8 `(N, H, W, c)`,
            labels integers `(N,)`; `classes` holds the C names, otherwise C is
            the largest training label plus one.

    Returns:
        A `Dataset`.

    Raises:
        UserError: If the file or an array in it does not fit.
    """
    if not data_dir:
        raise UserError(
            "--dataset npz needs --data_dir, the path of a .npz file with "
            f"{', '.join(ARRAYS)}; received none."
        )
    path = pathlib.Path(data_dir)
    if not path.is_file():
        raise UserError(f"--data_dir must be a .npz file, received '{path}'.")
    arrays = _read(path)
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise UserError(
            f"{path} must hold {', '.join(ARRAYS)}; missing: "
            f"{', '.join(missing)}."
        )
    splits = {
        part: _split(path, part, arrays[f"x_{part}"], arrays[f"y_{part}"])
        for part in ("train", "test")
    }
    count = int(splits["train"].labels.max()) + 1
    names = [str(n) for n in arrays.get("classes", range(count))]
    for part, split in splits.items():
        low, high = split.labels.min(), split.labels.max()
        if low < 0 or high >= len(names):
            raise UserError(
                f"y_{part} of {path} must lie in [0, {len(names) - 1}] for "
                f"{len(names)} classes, received labels from {low} to {high}."
            )
    shapes = {split.images.shape[1:] for split in splits.values()}
    if len(shapes) != 1:
        raise UserError(
            f"x_train and x_test of {path} must have images of one shape, "
            f"received {sorted(shapes)}."
        )
    return Dataset(tuple(names), recipe=Recipe(), **splits)


def _read(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} must be a .npz file of plain arrays, but cannot be read: "
            f"{str(error).splitlines()[0] if str(error) else 'damaged'}"
        ) from error


def _split(path, part, images, labels):
    if images.ndim != 4 or images.dtype != np.uint8:
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
