"""Variables of a model in one `.npz` file, in their order.

Python writes it, so that a full disk is an error; HDF5 ends the process then.
Nothing in it is unpickled.
"""

import keras
import numpy as np

from keras_css.arrays import UNREADABLE
from keras_css.arrays import read_arrays
from keras_css.errors import UserError
from keras_css.errors import first_line

NUMBERS = "biuf"


def values_of(variables):
    """Returns a dict from place and name to a copy of each value.

    Args:
        variables: List of Keras variables.
    """
    # Copies, because arrays of PyTorch's tensors change with them.
    return {
        name: np.array(keras.ops.convert_to_numpy(variable))
        for name, variable in _named(variables).items()
    }


def _named(variables):
    return {f"{i:05d} {v.path}": v for i, v in enumerate(variables)}


def _end(name):
    """Returns place and last part of a variable's name."""
    return name[:5], name[6:].rpartition("/")[2]


def save_values(path, values):
    """Writes what `values_of` returned."""
    np.savez(path, **values)


def load_values(path, variables):
    """Gives variables the values in a file, or none of them.

    Args:
        path: A file of `save_values`.
        variables: As many Keras variables, of the same shapes, as it holds.

    Raises:
        UserError: If it holds others, or cannot be read.
    """
    try:
        stored = read_arrays(path)
    except UNREADABLE as error:
        raise UserError(
            f"{path} must hold the variables of this cohort, but cannot be "
            f"read ({first_line(error)}), or another version wrote it: start "
            "a new run."
        ) from error
    # Whole names differ between cohorts of one process, their ends do not.
    found = [
        (_end(name), value.shape if value.dtype.kind in NUMBERS else None)
        for name, value in stored.items()
    ]
    expected = [
        (_end(name), tuple(variable.shape))
        for name, variable in _named(variables).items()
    ]
    if found != expected:
        raise UserError(
            f"{path} must hold the {len(expected)} variables of this cohort, "
            f"received {len(found)}, or others: start a new run."
        )
    for variable, value in zip(variables, stored.values()):
        variable.assign(value)
