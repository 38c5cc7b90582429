"""MATLAB's lists, read by SciPy in a process of its own.

SciPy's reader is compiled and ends the process at some damaged files.
"""

import functools
import pathlib
import sys
from concurrent.futures import BrokenExecutor
from concurrent.futures import TimeoutError

import numpy as np

from keras_css.errors import UserError

# Lists are small: those of the sets that are known take 2 MB unpacked.
MOST_BYTES = 2**23
# What that process may address, with SciPy.
ROOM = 2**31
MOST_SECONDS = 60
IDLE_SECONDS = 10


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
    state = "missing"
    try:
        if path.stat().st_size <= MOST_BYTES:
            found = _read(path, names)
            return [np.atleast_1d(found[name]).ravel() for name in names]
        state = "larger"
    except FileNotFoundError:
        pass
    # SciPy raises nearly anything for files that are not what they seem.
    except Exception:
        state = "damaged or another one"
    raise UserError(
        f"'{path}' must be a MATLAB file of level 5 with {', '.join(names)}, "
        f"at most {MOST_BYTES:,} bytes, but is {state}."
    )


def _read(path, names):
    from scipy.io import loadmat

    reader = _reader()
    try:
        return reader.submit(
            loadmat, path, squeeze_me=True, variable_names=names
        ).result(MOST_SECONDS)
    except (BrokenExecutor, TimeoutError):
        _reader.cache_clear()
        reader.shutdown(kill_workers=True)
        raise


@functools.cache
def _reader():
    """Returns one process, which is begun at its first file.

    Its memory is limited, where the system can do that.
    """
    import loky

    limit = {}
    if sys.platform == "linux":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        room = ROOM if most == resource.RLIM_INFINITY else min(ROOM, most)
        limit = {
            "initializer": resource.setrlimit,
            "initargs": (resource.RLIMIT_AS, (room, room)),
        }
    return loky.ProcessPoolExecutor(
        1, timeout=IDLE_SECONDS, env={"OPENBLAS_NUM_THREADS": "1"}, **limit
    )
