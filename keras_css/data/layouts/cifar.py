"""CIFAR-10 and CIFAR-100 as their authors give them for Python: pickles."""

import io
import pickle
import pickletools

import numpy as np

from keras_css.data.dataset import Split
from keras_css.data.layouts.found import Found
from keras_css.errors import UserError
from keras_css.errors import first_line

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
# The files have 31 MB and 187 MB (CIFAR-100's training images).
MOST_BYTES = 2**28
MEMO = ("PUT", "BINPUT", "LONG_BINPUT")


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
    names = _load(root / meta).get(names_key)
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
    batch = _load(path)
    data, labels = batch.get(b"data"), batch.get(labels_key)
    try:
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


def _array(kind, shape, type_code):
    """Begins a pickled array; its content and shape follow.

    Only `_restore` gives one its size, so that no bytes are allocated that the
    file does not hold.
    """
    if kind is not _no_array or shape != (0,) or type_code != b"b":
        raise pickle.UnpicklingError("it begins an array in an unknown way")
    return np.ndarray.__new__(_Numbers, (0,), "int8")


class _Numbers(np.ndarray):
    """An array that takes the state of plain numbers only."""

    def __setstate__(self, state):
        dtype = state[2]
        if not isinstance(dtype, np.dtype) or dtype.kind not in "iufb":
            raise pickle.UnpicklingError("it holds an array without numbers")
        super().__setstate__(state)


def _no_array(*arguments):
    """Stands for `numpy.ndarray`, which would allocate what it is asked for."""
    raise pickle.UnpicklingError("it makes an array of its own")


def _dtype(name, *arguments):
    """Returns the dtype of a pickle of numbers, by a short name."""
    if name not in NUMBERS and str(name, "ascii") not in NUMBERS:
        raise pickle.UnpicklingError("it asks for a dtype that is no number")
    return np.dtype(name if isinstance(name, str) else name.decode())


def _encode(text, coding):
    """Restores bytes that Python 3 wrote for Python 2."""
    if coding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("it asks for a coding beside latin1")
    return text.encode("latin1")


NUMBERS = {
    *("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"),
}
# All that a pickled array of numbers needs to be restored, in our own words.
ALLOWED = {
    ("numpy", "ndarray"): _no_array,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("_codecs", "encode"): _encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Restores numbers, texts, lists and arrays; never runs anything else."""

    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is no array"
            )
        return ALLOWED[module, name]


def _load(path):
    try:
        data = _checked(path)
        found = _ArrayUnpickler(io.BytesIO(data), encoding="bytes").load()
        if not isinstance(found, dict):
            raise TypeError("it is no table")
        return found
    except FileNotFoundError:
        raise UserError(
            f"'{path}' must be a part of CIFAR, but is missing."
        ) from None
    # A damaged pickle raises nearly anything.
    except Exception as error:
        raise UserError(
            f"'{path}' must be a pickle of plain arrays as CIFAR's authors "
            f"give it, but is damaged or another file: {first_line(error)}"
        ) from error


def _checked(path):
    """Returns the bytes of a pickle that holds all it declares.

    The unpickler allocates what an opcode declares before it reads, and a list
    of as many entries as the highest number in its memo.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    data = path.read_bytes()
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in MEMO and argument > len(data):
            raise ValueError(f"it numbers a value {argument}")
    return data
