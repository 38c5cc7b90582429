"""Softmax on the host, and whether numbers are what it puts out."""

import numpy as np
import numpy.typing as npt

# Sums of rows that were rounded to float16 are off by as much.
NEARLY_ONE = 2e-3


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax over axis 1 of an array `(N, K, ...)`."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def are_probabilities(rows: npt.ArrayLike) -> bool:
    """Whether each row of an array `(N, C)` is one of probabilities.

    Args:
        rows: What a classifier puts out for some images, at least one.

    Returns:
        True if no number is negative and every row sums to 1.
    """
    rows = np.asarray(rows, "float64")
    sums = rows.sum(axis=1)
    return bool(
        rows.size and (rows >= 0).all() and (abs(sums - 1) <= NEARLY_ONE).all()
    )
