"""Proof that a file computes what was trained."""

import numpy as np

from keras_css.errors import ProofError

LARGEST_DIFFERENCE = 1e-4
TRAINED = 0.01
BETWEEN_CLASSES = 2


def compare(found, expected):
    """Returns how far a file is from what it should compute.

    Args:
        found: Array `(N, C)` from the file.
        expected: Array `(N, C)` from the Keras model.

    Returns:
        Dict with `largest_difference`, of single values, and
        `same_top_class`, the share of images with the same likeliest class.

    Raises:
        ProofError: If the file puts out what is not finite.
    """
    if not np.isfinite(found).all():
        raise ProofError(
            "The exported file must put out finite numbers, but puts out NaN "
            "or infinity: nothing was written; use --precision fp32."
        )
    same = found.argmax(axis=-1) == expected.argmax(axis=-1)
    return {
        "largest_difference": float(np.abs(found - expected).max()),
        "same_top_class": float(same.mean()),
    }


def check_exact(proof):
    """Raises `ProofError` if a float32 file differs from its student.

    Args:
        proof: What `compare` returned for logits.
    """
    difference = proof["largest_difference"]
    # Written so that NaN does not pass.
    if not difference <= LARGEST_DIFFERENCE:
        raise ProofError(
            "The exported file must agree with the Keras student within "
            f"{LARGEST_DIFFERENCE:g}, but differs by {difference:g}: nothing "
            "was written."
        )


def check_trained(accuracies, trained, counts):
    """Raises `ProofError` if a float32 file is not as good as its training.

    Other data or other weights than the run's would show here; rounding moves
    an image or two that lie between classes, however few there are.

    Args:
        accuracies: Dict from split name to the file's accuracy.
        trained: Likewise, as the training measured it.
        counts: Dict from split name to the number of images.
    """
    for split, accuracy in accuracies.items():
        most = max(TRAINED, (BETWEEN_CLASSES + 0.5) / counts[split])
        if split in trained and abs(accuracy - trained[split]) > most:
            raise ProofError(
                f"The file must be as accurate as the run says, "
                f"{trained[split]:.4f} on {split}, but reaches {accuracy:.4f}: "
                "are the data and the networks those of the run? Nothing was "
                "written."
            )
