"""What one student answers, class by class, and where it errs."""

import math

import numpy as np

from keras_css.evaluation.calibration import answers_of

# Standard errors that hold 95 % of a normal distribution.
Z = 1.959964
# A matrix of more classes is neither read nor kept.
MATRIX_CLASSES = 30
PAIRS = 30
MISTAKES = 24
DOUBTS = 12
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def wilson(right, images):
    """Returns the 95 % interval of an accuracy: two floats.

    (p + z² / 2n ± z sqrt(p (1 - p) / n + z² / 4n²)) / (1 + z² / n), which
    holds for few images and for none wrong, too (Wilson 1927).

    Args:
        right: Images that were answered rightly.
        images: n, all images, more than 0.
    """
    share, part = right / images, Z**2 / images
    half = math.sqrt(part * share * (1 - share) + part**2 / 4)
    middle = share + part / 2
    low, high = ((middle + sign * half) / (1 + part) for sign in (-1, 1))
    return max(low, 0.0), min(high, 1.0)


def describe_answers(logits, labels, num_classes, names):
    """Returns what a student answers to images of a part.

    Args:
        logits: Array `(N, C)`, N > 0.
        labels: Integer array `(N,)`.
        num_classes: C.
        names: List of N texts that tell images from each other.

    Returns:
        Dict that JSON can hold: `images`; `accuracy`, `low` and `high`, its
        95 % interval; `classes`, a dict of columns, one entry a class, see
        `_by_class`; `confusion`, rows the true class and columns the answer,
        None for more than 30 classes; `most_confused`, `sure_mistakes` and
        `unsure_answers`, lists of dicts; `unsure_below`, a list of dicts: the
        share of answers that a threshold leaves, and how many of those are
        right (None if none is left).
    """
    answers, sure = answers_of(logits)
    right = answers == labels
    matrix = np.zeros((num_classes, num_classes), int)
    np.add.at(matrix, (labels, answers), 1)
    low, high = wilson(right.sum(), len(labels))

    def listed(rows):
        return [
            {
                "row": int(row),
                "image": names[row],
                "label": int(labels[row]),
                "answer": int(answers[row]),
                "probability": _short(sure[row]),
            }
            for row in rows
        ]

    order = np.argsort(-sure, kind="stable")
    small = num_classes <= MATRIX_CLASSES
    return {
        "images": len(labels),
        "accuracy": float(right.mean()),
        "low": _short(low),
        "high": _short(high),
        "classes": _by_class(matrix),
        "confusion": matrix.tolist() if small else None,
        "most_confused": _pairs(matrix),
        "sure_mistakes": listed(order[~right[order]][:MISTAKES]),
        "unsure_answers": listed(order[right[order]][::-1][:DOUBTS]),
        "unsure_below": _rows(sure, right),
    }


def _by_class(matrix):
    """Returns a dict from what is told of classes to a list of C values.

    `images`, `right`; `accuracy`, `low`, `high`, None of a class without
    images; `taken_for` and `times`: the most frequent wrong answer, None and
    0 where there is none.
    """
    columns = {
        "images": matrix.sum(axis=1).tolist(),
        "right": matrix.diagonal().tolist(),
        **{name: [] for name in ("accuracy", "low", "high")},
        **{name: [] for name in ("taken_for", "times")},
    }
    wrong = matrix - np.diag(matrix.diagonal())
    for label, images in enumerate(columns["images"]):
        right = columns["right"][label]
        low, high = wilson(right, images) if images else (None, None)
        times = int(wrong[label].max())
        answer = int(wrong[label].argmax()) if times else None
        columns["accuracy"].append(_short(right / images) if images else None)
        columns["low"].append(_short(low))
        columns["high"].append(_short(high))
        columns["taken_for"].append(answer)
        columns["times"].append(times)
    return columns


def _pairs(matrix):
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    pairs = zip(*np.unravel_index(order, wrong.shape))
    return [
        {"label": int(a), "answer": int(b), "times": int(wrong[a, b])}
        for a, b in pairs
        if wrong[a, b]
    ]


def _rows(sure, right):
    return [_left(sure, right, least) for least in THRESHOLDS]


def _left(sure, right, least):
    kept = sure >= least
    return {
        "below": least,
        "answered": _short(kept.mean()),
        "accuracy": _short(right[kept].mean()) if kept.any() else None,
    }


def choose_threshold(logits, labels):
    """Returns the threshold to advise, None if none leaves an answer.

    The lowest one that halves the share of mistakes; where none does, the one
    that leaves the fewest.

    Args:
        logits: Array `(N, C)`, of images that may be chosen on.
        labels: Integer array `(N,)`.
    """
    answers, sure = answers_of(logits)
    right = answers == labels
    rows = [row for row in _rows(sure, right) if row["accuracy"] is not None]
    halved = (1 + right.mean()) / 2
    enough = [row for row in rows if row["accuracy"] >= halved]
    best = max(rows, key=lambda row: row["accuracy"], default=None)
    chosen = enough[0] if enough else best
    return chosen and chosen["below"]


def advised(found):
    """Returns what the advised threshold leaves on test, None without one.

    Args:
        found: What `measure_answers` returned.
    """
    for row in found["unsure_below"]:
        if row["below"] == found.get("advised_below"):
            return row if row["accuracy"] is not None else None
    return None


def _short(value):
    return None if value is None else round(float(value), 4)
