"""CIFAR-10 and CIFAR-100 as their authors give them for Python: pickles."""

import numpy as np

from keras_css.data.dataset import Split
from keras_css.data.layouts.found import Found
from keras_css.errors import UserError
from keras_css.untrusted.pickles import load_pickle

# The set, files of each part, the file of names, and the keys within.
KINDS = {
    "cifar-100-python": (
        "cifar100",
        {"train": ["train"], "test": ["test"]},
        *("meta", b"fine_label_names", b"fine_labels"),
    ),
    "cifar-10-batches-py": (
        "cifar10",
        {
            "train": [f"data_batch_{i}" for i in range(1, 6)],
            "test": ["test_batch"],
        },
        *("batches.meta", b"label_names", b"labels"),
    ),
}


def matches(path):
    """Returns the folder that holds the pickles, itself or in it."""
    for name, (_, _, meta, *_) in KINDS.items():
        for place in (path / name, path):
            if (place / meta).is_file() and _kind(place):
                return place
    return None


def read(root):
    """Reads all batches.

    Raises:
        UserError: If a file is missing, damaged or not what it should be.
    """
    name = _kind(root)
    layout, parts, meta, names_key, labels_key = KINDS[name]
    names = load_pickle(root / meta).get(names_key)
    if not isinstance(names, list) or not all(
        isinstance(n, bytes) for n in names
    ):
        raise UserError(f"'{root / meta}' must list the names of the classes.")
    splits = {
        part: _join([_batch(root / f, labels_key, len(names)) for f in files])
        for part, files in parts.items()
    }
    return Found(
        f"the pickles of {name} in {root}",
        tuple(n.decode("utf-8", "replace").replace("_", " ") for n in names),
        splits,
        layout=layout,
    )


def _kind(place):
    for name, (_, parts, meta, *_) in KINDS.items():
        first = parts["train"][0]
        if (place / meta).is_file() and (place / first).is_file():
            return name
    return None


def _join(splits):
    return Split(
        np.concatenate([split.images for split in splits]),
        np.concatenate([split.labels for split in splits]),
    )


def _batch(path, labels_key, classes):
    batch = load_pickle(path)
    data, labels = batch.get(b"data"), batch.get(labels_key)
    try:
        # Lists in lists may stand for any number of labels.
        if isinstance(labels, list) and {*map(type, labels)} != {int}:
            raise TypeError("labels that are no whole numbers")
        labels = np.array(labels, "int32")
        images = np.asarray(data).reshape(len(labels), 3, 32, 32)
        if images.dtype != np.uint8 or labels.min() < 0:
            raise ValueError("values out of range")
        if labels.max() >= classes:
            raise ValueError("labels out of range")
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(
            f"'{path}' must hold uint8 images of 32x32 pixels and a label for "
            f"each, but does not: {error}."
        ) from error
    return Split(np.ascontiguousarray(images.transpose(0, 2, 3, 1)), labels)
