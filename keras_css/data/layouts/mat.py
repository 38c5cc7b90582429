"""MATLAB's lists (files of level 5), read without trust.

SciPy's reader is compiled and ends the process at some damaged files; the lists
of data sets need few kinds of values.
"""

import math
import pathlib
import struct
import zlib

import numpy as np

from keras_css.errors import UserError

HEADER = 128
COMPRESSED, MATRIX = 15, 14
CELL, STRUCT, CHARACTERS = 1, 2, 4
NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
TEXTS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
# Arrays of numbers have these classes.
NUMBER_CLASSES = range(6, 16)
MOST_DEEP = 8
# Lists are small: those of the sets that are known take 2 MB unpacked.
MOST_BYTES = 2**23


def load_mat(path, *names):
    """Returns variables of a .mat file as flat NumPy arrays.

    Args:
        path: The file.
        *names: Of the variables.

    Returns:
        List of 1-d arrays: numbers, objects (texts and what cells hold) or,
        for structures, records with a field an object.

    Raises:
        UserError: If the file is missing, damaged or holds something else.
    """
    path = pathlib.Path(path)
    try:
        found = _variables(path.read_bytes(), names)
        return [np.atleast_1d(found[name]).ravel() for name in names]
    except FileNotFoundError:
        state = "missing"
    except (ValueError, KeyError, TypeError, IndexError, struct.error):
        state = "damaged or another one"
    except (zlib.error, OverflowError, UnicodeError):
        state = "damaged or another one"
    raise UserError(
        f"'{path}' must be a MATLAB file of level 5 with {', '.join(names)}, "
        f"at most {MOST_BYTES:,} bytes, but is {state}."
    )


def _variables(data, names):
    """Returns dict from the wanted names to what they stand for."""
    order = {b"IM": "<", b"MI": ">"}[data[126:HEADER]]
    found = {}
    for kind, content in _elements(data[HEADER:], order):
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(content, MOST_BYTES)
            if unpacker.unconsumed_tail:
                raise ValueError("too large")
            ((kind, content),) = _elements(content, order)
        if kind != MATRIX:
            raise ValueError(f"element of kind {kind}")
        parts = list(_elements(content, order))
        if len(parts) > 2 and _name(parts[2][1]) in names:
            found[_name(parts[2][1])] = _matrix(parts, order, 0)
    return found


def _elements(data, order):
    """Yields `(kind, content)` of each element of some bytes."""
    if len(data) > MOST_BYTES:
        raise ValueError("too large")
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:
            # Up to four bytes lie in the tag itself.
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            if size > 4:
                raise ValueError("a small element of more than 4 bytes")
        else:
            start = at + 8
            end = start + size
            if kind != COMPRESSED:
                end += -size % 8
        if start + size > len(data):
            raise ValueError("an element ends early")
        yield kind, data[start : start + size]
        at = end


def _name(content):
    return content.decode("ascii", "replace").rstrip("\0")


def _matrix(parts, order, depth):
    """Returns what a matrix holds: an array, a text, objects or records."""
    if depth > MOST_DEEP:
        raise ValueError("too deep")
    (_, flags), (_, sides), _, *values = parts
    kind = struct.unpack_from(f"{order}I", flags)[0] & 0xFF
    count = math.prod(np.frombuffer(sides, f"{order}i4").tolist())
    if count < 0 or count > MOST_BYTES:
        raise ValueError("sides that cannot be")
    if kind == CHARACTERS:
        return _text(values, count, order)
    if kind == CELL:
        return _objects(values, count, order, depth)
    if kind == STRUCT:
        return _records(values, count, order, depth)
    if kind in NUMBER_CLASSES:
        stored, content = values[0]
        numbers = np.frombuffer(content, f"{order}{NUMBERS[stored]}")
        if len(numbers) != count:
            raise ValueError("sides and numbers that do not fit")
        return numbers[0] if count == 1 else numbers
    raise ValueError(f"matrix of class {kind}")


def _text(values, count, order):
    if not values or not count:
        return ""
    stored, content = values[0]
    coding = TEXTS[stored]
    if coding == "utf-16":
        coding += "-le" if order == "<" else "-be"
    return content.decode(coding)


def _objects(values, count, order, depth):
    """Returns the values of a cell array; of one the value itself."""
    if len(values) != count:
        raise ValueError("sides and cells that do not fit")
    found = np.empty(count, object)
    for i, (kind, content) in enumerate(values):
        found[i] = _inner(kind, content, order, depth)
    return found


def _records(values, count, order, depth):
    (_, width), (_, names), *values = values
    (width,) = struct.unpack(f"{order}i", width)
    if width < 1:
        raise ValueError("field names without letters")
    fields = [
        _name(names[at : at + width].partition(b"\0")[0])
        for at in range(0, len(names), width)
    ]
    if len(values) != count * len(fields) or not fields:
        raise ValueError("sides and fields that do not fit")
    found = np.empty(count, [(field, "O") for field in fields])
    for i, (kind, content) in enumerate(values):
        field = fields[i % len(fields)]
        found[field][i // len(fields)] = _inner(kind, content, order, depth)
    return found


def _inner(kind, content, order, depth):
    if kind != MATRIX:
        raise ValueError(f"element of kind {kind} in a matrix")
    if not content:
        return np.empty(0)
    value = _matrix(list(_elements(content, order)), order, depth + 1)
    # As MATLAB sees a cell of one text.
    alone = isinstance(value, np.ndarray) and value.dtype == object
    return value[0] if alone and len(value) == 1 else value
