"""Arrays of `.npz` files.

Nothing is unpickled, and nothing is allocated that the file does not hold: what
a header declares is compared with what lies behind it first.
"""

import math
import tokenize
import zipfile
import zlib

import numpy as np

from keras_css.untrusted.sizes import check_expansion

# What NumPy, zipfile and zlib raise for files that are not what they seem.
UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, AttributeError),
    *(zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError),
    *(tokenize.TokenError, SyntaxError, OverflowError, RecursionError),
    *(MemoryError, IndexError),
)
# Version 3 is for names of fields beyond Latin-1.
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
ENDING = ".npy"


def read_arrays(path):
    """Returns the arrays of an `.npz` file as a dict, in its order.

    Args:
        path: The file.

    Raises:
        ValueError: If a member is no plain array, or declares more than the
            file may hold. Damaged files raise any of `UNREADABLE`.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        check_expansion(path, sum(member.file_size for member in members))
        return {
            member.filename.removesuffix(ENDING): _read(archive, member)
            for member in members
        }


def _read(archive, member):
    with archive.open(member) as file:
        _check_header(file, member)
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _check_header(file, member):
    try:
        shape, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
    except (MemoryError, RecursionError):
        # So Python's parser says that brackets or signs are too many.
        raise ValueError("a header is nested too deeply") from None
    if dtype.hasobject:
        raise ValueError(f"'{member.filename}' holds Python objects")
    if dtype.names or dtype.subdtype or any(side < 0 for side in shape):
        raise ValueError(f"'{member.filename}' is no plain array")
    size = dtype.itemsize * math.prod(shape)
    held = member.file_size - file.tell()
    if size != held:
        raise ValueError(
            f"'{member.filename}' declares {size:,} bytes and holds {held:,}"
        )
