"""Variables of a model in one `.npz` file, in their order.

Python writes it, so that a full disk is an error; HDF5 ends the process then.
Nothing in it is unpickled.
"""

import keras
import numpy as np

from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.untrusted.arrays import UNREADABLE
from keras_css.untrusted.arrays import read_arrays

NUMBERS = "biuf"


def values_of(variables):
    """Returns a dict from place and name to a copy of each value.

    Args:
        variables: List of Keras variables.
    """
    # Copies, because arrays of PyTorch's tensors change with them.
    return {
        f"{place:05d} {variable.path}": np.array(
            keras.ops.convert_to_numpy(variable)
        )
        for place, variable in enumerate(variables)
    }


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
    # Names are for people: Keras numbers them through a process.
    found = [
        value.shape if value.dtype.kind in NUMBERS else None
        for value in stored.values()
    ]
    expected = [tuple(variable.shape) for variable in variables]
    if found != expected:
        raise UserError(
            f"{path} must hold the {len(expected)} variables of this cohort, "
            f"received {len(found)}, or others: start a new run."
        )
    for variable, value in zip(variables, stored.values()):
        variable.assign(value)
