"""Proof that a file computes what was trained."""

import numpy as np

from keras_css.errors import ProofError

LARGEST_DIFFERENCE = 1e-4
BATCH = 64


def run_file(session, images):
    """Returns what a file puts out for many images, `(N, C)`.

    Args:
        session: An `onnxruntime.InferenceSession` with input `image`.
        images: Array in the form the input takes, N images.
    """
    batch = session.get_inputs()[0].shape[0]
    fixed = isinstance(batch, int)
    batch = batch if fixed else BATCH
    rows = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        feed = part
        if fixed and len(part) < batch:
            feed = np.resize(part, (batch, *part.shape[1:]))
        rows.append(session.run(None, {"image": feed})[0][: len(part)])
    return np.concatenate(rows)


def compare(found, expected):
    """Returns how far a file is from what it should compute.

    Args:
        found: Array `(N, C)` from the file.
        expected: Array `(N, C)` from the Keras model.

    Returns:
        Dict with `largest_difference`, of single values, and
        `same_top_class`, the share of images with the same likeliest class.
    """
    same = found.argmax(axis=-1) == expected.argmax(axis=-1)
    return {
        "largest_difference": float(np.abs(found - expected).max()),
        "same_top_class": float(same.mean()),
    }


def accuracy(output, labels):
    """Returns the share of images whose likeliest class is their label."""
    return float(np.mean(output.argmax(axis=-1) == labels))


def check_exact(proof):
    """Raises `ProofError` if a float32 file differs from its student.

    Args:
        proof: What `compare` returned.
    """
    difference = proof["largest_difference"]
    # Written so that NaN does not pass.
    if not difference <= LARGEST_DIFFERENCE:
        raise ProofError(
            "The exported file must agree with the Keras student within "
            f"{LARGEST_DIFFERENCE:g}, but differs by {difference:g}: nothing "
            "was written."
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
