"""Pickles of plain values and arrays of numbers, as CIFAR's authors wrote them.

Python's own unpickler takes opcodes here, not the compiled one, which allocates
what an opcode declares before it reads it.
"""

import io
import pickle

import numpy as np

from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.untrusted.sizes import ALWAYS_ALLOWED


def load_pickle(path):
    """Returns the table of a pickle; nothing in it is run.

    Args:
        path: The file.

    Returns:
        Dict whose values are numbers, bytes, texts, lists and arrays.

    Raises:
        UserError: If the file is missing, damaged or holds something else.
    """
    try:
        if path.stat().st_size > ALWAYS_ALLOWED:
            raise ValueError(f"it has more than {ALWAYS_ALLOWED:,} bytes")
        file = io.BytesIO(path.read_bytes())
        found = _Unpickler(file, encoding="bytes").load()
        return {key: _plain(value) for key, value in found.items()}
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


class _Pickled:
    """What a pickle says of an array or of a dtype, and no more."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __setstate__(self, state):
        self.state = state


def _plain(value):
    """Returns the array that is meant, or a value as it is."""
    if not isinstance(value, _Pickled):
        return value
    _, shape, dtype, by_columns, data = value.state
    words = (dtype.state[1], dtype.arguments[0])
    order, kind = (w.decode() if isinstance(w, bytes) else w for w in words)
    if kind not in NUMBERS:
        raise pickle.UnpicklingError("it holds an array without numbers")
    array = np.frombuffer(data, order + kind)
    return array.reshape(shape, order="F" if by_columns else "C")


def _encode(text, coding):
    """Restores bytes that Python 3 wrote for Python 2."""
    if coding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("it asks for a coding beside latin1")
    return text.encode("latin1")


NUMBERS = {*("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")}
KNOWN = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _Pickled,
    ("numpy.core.multiarray", "_reconstruct"): _Pickled,
    ("numpy._core.multiarray", "_reconstruct"): _Pickled,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle._Unpickler):
    """Restores plain values; never runs anything else."""

    # This opcode alone allocates what it declares.
    dispatch = {
        code: load
        for code, load in pickle._Unpickler.dispatch.items()
        if code != pickle.BYTEARRAY8[0]
    }

    def find_class(self, module, name):
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is no array"
            )
        return KNOWN[module, name]
