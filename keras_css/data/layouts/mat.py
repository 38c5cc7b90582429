"""MATLAB lists, read by SciPy."""

import numpy as np

from keras_css.errors import UserError


def load_mat(path, *names):
    """Returns variables of a .mat file as flat NumPy arrays.

    Args:
        path: The file.
        *names: Of the variables.

    Raises:
        UserError: If the file is missing, damaged or holds something else.
    """
    from scipy.io import loadmat

    try:
        found = loadmat(path, squeeze_me=True, variable_names=names)
        return [np.atleast_1d(found[name]) for name in names]
    # SciPy raises nearly anything for files that are not what they seem.
    except Exception as error:
        raise UserError(
            f"'{path}' must be a MATLAB file with {', '.join(names)}, but is "
            f"{'damaged or another one' if path.exists() else 'missing'}."
        ) from error
