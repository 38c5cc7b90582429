"""How differently the branches of a cohort see the same images."""

import itertools

import numpy as np

from keras_css_runtime.softmax import softmax


def diversity(logits, num_classes):
    """Returns the mean pairwise L2 distance of branch predictions.

    `released` is the CSS authors' measure, on the softmax over all K columns
    of a branch. Two joint-label branches of one opinion put it on different
    columns and so count as far apart: `released_all` is inflated by
    construction. `fair` takes each branch's own columns, renormalised over
    the C classes, and compares with other methods.

    Args:
        logits: Dict from network name to an array `(N, K, n)`.
        num_classes: C.

    Returns:
        Dict of floats: `released_all`, `fair_all` over all pairs of branches,
        `released_mutual`, `fair_mutual` over same-index branches of different
        networks. A value without any pair is None.
    """
    released = [softmax(np.asarray(z, "float64")) for z in logits.values()]
    fair = [_own_classes(p, num_classes) for p in released]
    result = {}
    for name, probabilities in (("released", released), ("fair", fair)):
        members = [
            (network, i, p[:, :, i])
            for network, p in enumerate(probabilities)
            for i in range(p.shape[2])
        ]
        pairs = list(itertools.combinations(members, 2))
        twins = [(a, b) for a, b in pairs if a[0] != b[0] and a[1] == b[1]]
        result[f"{name}_all"] = _mean_distance(pairs)
        result[f"{name}_mutual"] = _mean_distance(twins)
    return result


def _own_classes(probabilities, num_classes):
    """Returns `(N, C, n)`: a branch's own columns, each row summing to 1."""
    columns, n = probabilities.shape[1:]
    if columns == num_classes:
        return probabilities
    own = np.stack([probabilities[:, i::n, i] for i in range(n)], axis=-1)
    return own / np.maximum(own.sum(axis=1, keepdims=True), 1e-300)


def _mean_distance(pairs):
    if not pairs:
        return None
    distances = [
        np.linalg.norm(a[2] - b[2], axis=1).mean()
        for a, b in pairs
        if a[2].shape == b[2].shape
    ]
    return float(np.mean(distances)) if distances else None
