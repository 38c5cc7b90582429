"""A small valid data set of the user's own, for tests to spoil."""

import numpy as np


def npz(path, **changes):
    """Writes a small valid data set with some arrays changed."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 255, (40, 8, 8, 3), "uint8"),
        "y_train": np.arange(40, dtype="int64") % 4,
        "x_test": rng.integers(0, 255, (8, 8, 8, 3), "uint8"),
        "y_test": np.arange(8, dtype="int64") % 4,
        "classes": np.array(["ant", "bee", "<b>cat</b>", "dog"]),
    }
    np.savez(path, **{**arrays, **changes})
    return path
