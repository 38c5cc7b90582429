"""Whether a student is as sure as it is right, and what mends it."""

import numpy as np

from keras_css_runtime.softmax import softmax

BINS = 15
# Beyond these, logits are as good as without a scale.
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.05, 20


def answers_of(logits):
    """Returns what is answered, and the probability of that.

    Args:
        logits: Array `(N, C)`.

    Returns:
        `(answers, confidence)`, arrays `(N,)` of integers and float64.
    """
    probabilities = softmax(np.asarray(logits, "float64"))
    return probabilities.argmax(axis=1), probabilities.max(axis=1)


def reliability(logits, labels):
    """Returns what is found of images that a student is equally sure of.

    Confidence is the probability of the predicted class. Images are put into
    M = 15 bins by it, bin m being ((m - 1) / M, m / M].

    Args:
        logits: Array `(N, C)`, N > 0.
        labels: Integer array `(N,)`.

    Returns:
        Three float arrays `(M,)`: images of a bin, and the sums of their
        confidences and of those that are right.
    """
    answers, confidence = answers_of(logits)
    inner_edges = np.linspace(0, 1, BINS + 1)[1:-1]
    bins = np.digitize(confidence, inner_edges, right=True)
    return tuple(
        np.bincount(bins, weights=values, minlength=BINS)
        for values in (np.ones(len(labels)), confidence, answers == labels)
    )


def expected_calibration_error(logits, labels):
    """Returns the mean distance of confidence from accuracy (ECE).

    With B_m the images in bin m of `reliability`,

        ECE = sum_m |B_m| / N * |accuracy(B_m) - mean confidence(B_m)|

    as in Guo et al., "On Calibration of Modern Neural Networks"
    (arXiv 1706.04599), after Naeini et al. 2015.

    Args:
        logits: Array `(N, C)`, N > 0.
        labels: Integer array `(N,)`.

    Returns:
        A float from 0, calibrated, to 1.
    """
    _, confidence, correct = reliability(logits, labels)
    return float(np.abs(correct - confidence).sum() / len(labels))


def fit_temperature(logits, labels):
    """Returns the T that makes softmax(logits / T) likeliest (Guo et al.).

    It changes no answer, only how sure answers are.

    Args:
        logits: Array `(N, C)`, N > 0, of images that were not trained on.
        labels: Integer array `(N,)`.
    """
    from scipy.optimize import minimize_scalar

    logits = np.asarray(logits, "float64")
    rows = np.arange(len(labels))

    def cost(log_temperature):
        z = logits / np.exp(log_temperature)
        z -= z.max(axis=1, keepdims=True)
        return np.mean(np.log(np.exp(z).sum(axis=1)) - z[rows, labels])

    bounds = np.log([LEAST_TEMPERATURE, MOST_TEMPERATURE])
    found = minimize_scalar(cost, bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def describe_calibration(logits, labels, temperature):
    """Returns a reliability diagram and what a temperature makes of it.

    Args:
        logits, labels: Of the part that is measured.
        temperature: As fitted on another part.

    Returns:
        Dict that JSON can hold: `error`, `temperature`, `error_mended`, and
        `bins`, for each of 15: `images`, `confidence` and `accuracy` (means;
        None in an empty bin).
    """
    bins = []
    for images, *sums in zip(*reliability(logits, labels)):
        confidence, accuracy = (
            round(float(total / images), 4) if images else None
            for total in sums
        )
        bins.append(
            {
                "images": int(images),
                "confidence": confidence,
                "accuracy": accuracy,
            }
        )
    return {
        "error": expected_calibration_error(logits, labels),
        "temperature": temperature,
        "error_mended": expected_calibration_error(
            np.asarray(logits, "float64") / temperature, labels
        ),
        "bins": bins,
    }
