"""Whether a student is as sure as it is right."""

import numpy as np

from keras_css_runtime.softmax import softmax

BINS = 15


def expected_calibration_error(logits, labels):
    """Returns the mean distance of confidence from accuracy (ECE).

    Confidence is the probability of the predicted class. Images are put into
    M = 15 bins by it, bin m being ((m - 1) / M, m / M]; with B_m the images
    in bin m,

        ECE = sum_m |B_m| / N * |accuracy(B_m) - mean confidence(B_m)|

    as in Guo et al., "On Calibration of Modern Neural Networks"
    (arXiv 1706.04599), after Naeini et al. 2015.

    Args:
        logits: Array `(N, C)`, N > 0.
        labels: Integer array `(N,)`.

    Returns:
        A float from 0, calibrated, to 1.
    """
    probabilities = softmax(np.asarray(logits, "float64"))
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    inner_edges = np.linspace(0, 1, BINS + 1)[1:-1]
    bins = np.digitize(confidence, inner_edges, right=True)
    gaps = np.bincount(bins, weights=correct - confidence)
    return float(np.abs(gaps).sum() / len(labels))
