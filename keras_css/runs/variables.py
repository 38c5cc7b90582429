"""Variables of a model in one `.npz` file, in their order.

Python writes it, so that a full disk is an error; HDF5 ends the process then.
Nothing in it is unpickled.
"""

import keras
import numpy as np

from keras_css.errors import UserError


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
        UserError: If it holds others.
    """
    with np.load(path, allow_pickle=False) as file:
        values = [file[name] for name in file.files]
    found = [value.shape for value in values]
    expected = [tuple(variable.shape) for variable in variables]
    if found != expected:
        raise UserError(
            f"{path} must hold the {len(expected)} variables of this cohort, "
            f"received {len(found)}, or others: start a new run."
        )
    for variable, value in zip(variables, values):
        variable.assign(value)
