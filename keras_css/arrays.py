"""Reading `.npz` files that nobody vouches for.

Nothing is unpickled, and nothing is allocated that the file does not hold: what
a header declares is compared with what lies behind it first.
"""

import math
import tokenize
import zipfile
import zlib

import numpy as np

# Images compress to a tenth at best; what expands further is a bomb.
MOST_EXPANSION = 100
ALWAYS_ALLOWED = 2**28
# What NumPy, zipfile and zlib raise for files that are not what they seem.
UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, AttributeError),
    *(zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError),
    *(tokenize.TokenError, SyntaxError, OverflowError, RecursionError),
    *(MemoryError, IndexError),
)
ENDING = ".npy"
CHUNK = 2**20


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


def check_expansion(path, size):
    """Raises ValueError if a file would expand to too many bytes.

    Args:
        path: The packed file.
        size: Bytes that it says it holds.
    """
    with open(path, "rb") as file:
        packed = file.seek(0, 2)
    most = max(ALWAYS_ALLOWED, MOST_EXPANSION * packed)
    if size > most:
        raise ValueError(
            f"it declares {size:,} bytes, and a file of {packed:,} bytes may "
            f"hold {most:,} at most"
        )


def _header(file):
    """Returns shape, whether columns come first, and dtype."""
    version = np.lib.format.read_magic(file)
    try:
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(file)
        if version == (2, 0):
            return np.lib.format.read_array_header_2_0(file)
    except (MemoryError, RecursionError):
        # So Python's parser says that brackets or signs are too many.
        raise ValueError("a header is nested too deeply") from None
    # Version 3 is for names of fields beyond Latin-1.
    raise ValueError(f"arrays of version {version} are not read")


def _read(archive, member):
    with archive.open(member) as file:
        shape, by_columns, dtype = _header(file)
        if dtype.hasobject:
            raise ValueError(f"'{member.filename}' holds Python objects")
        if dtype.names or dtype.subdtype or any(side < 0 for side in shape):
            raise ValueError(f"'{member.filename}' is no plain array")
        size = dtype.itemsize * math.prod(shape)
        held = member.file_size - file.tell()
        if size != held:
            raise ValueError(
                f"'{member.filename}' declares {size:,} bytes and holds "
                f"{held:,}"
            )
        # Bytes in a bytearray belong to the array, which may be changed.
        data = bytearray(size)
        place = memoryview(data)
        while place:
            count = file.readinto(place[:CHUNK])
            if not count:
                raise ValueError(f"'{member.filename}' ends early")
            place = place[count:]
    if not dtype.itemsize:
        return np.zeros(shape, dtype)
    array = np.frombuffer(data, dtype)
    return array.reshape(shape, order="F" if by_columns else "C")
