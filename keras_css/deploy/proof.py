"""Proof that a file computes what was trained."""

import numpy as np

from keras_css.errors import ProofError

LARGEST_DIFFERENCE = 1e-4
TRAINED = 0.01


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


def accuracy(output, labels):
    """Returns the share of images whose likeliest class is their label.

    Args:
        output: Array `(N, C)`.
        labels: Integer array `(N,)`.
    """
    return float(np.mean(output.argmax(axis=-1) == labels))


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


def check_trained(accuracies, trained):
    """Raises `ProofError` if a float32 file is not as good as its training.

    Other data or other weights than the run's would show here; rounding moves
    an image or two that lie between classes.

    Args:
        accuracies: Dict from split name to the file's accuracy.
        trained: Likewise, as the training measured it.
    """
    for split, accuracy in accuracies.items():
        if split in trained and abs(accuracy - trained[split]) > TRAINED:
            raise ProofError(
                f"The file must be as accurate as the run says, "
                f"{trained[split]:.4f} on {split}, but reaches {accuracy:.4f}: "
                "are the data and the networks those of the run? Nothing was "
                "written."
            )


def check_drop(drops, most):
    """Raises `ProofError` if a reduced file lost too much accuracy.

    Args:
        drops: Dict from split name to accuracy lost, a fraction of 1.
        most: The most that may be lost on any split.
    """
    for split, drop in drops.items():
        if not drop <= most:
            raise ProofError(
                f"The reduced file may lose at most {most:g} accuracy, but "
                f"loses {drop:.4f} on the {split} images: nothing was written; "
                "use another --precision or a larger --max_accuracy_drop."
            )
