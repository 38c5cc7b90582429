"""How alike the branches of a cohort predict, and err, on the same images."""

import itertools

import numpy as np

MEASURES = ("disagreement", "kappa", "error_correlation", "double_fault")


def pairwise_agreement(students, labels):
    """Compares the predicted classes of single-branch students in pairs.

    With a, b the classes that two of them predict and y the labels, all
    means over images:

        disagreement       mean(a != b)
        kappa              (o - e) / (1 - e), o = mean(a == b) and e what o
                           would be by chance: sum_c mean(a == c) mean(b == c)
                           (Cohen 1960); None where e is 1
        error_correlation  Pearson's correlation of a != y with b != y, the
                           phi coefficient; None where one of them is never
                           or always wrong
        double_fault       mean(a != y and b != y) (Giacinto, Roli 2001)

    Kuncheva and Whitaker compare such measures ("Measures of diversity in
    classifier ensembles", Machine Learning 51, 2003).

    Args:
        students: Dict from student name to class logits `(N, C)`, N > 0.
        labels: Integer array `(N,)`.

    Returns:
        Dict: `students`, the names in order; `pairs`, dict from measure to a
        symmetric matrix of floats as nested lists in that order (its diagonal
        compares a student with itself); `means`, dict from measure to the
        mean over all pairs of different students for which it is defined,
        None where there is no such pair.
    """
    predictions = [z.argmax(axis=-1) for z in students.values()]
    errors = [predicted != labels for predicted in predictions]
    pairs = {
        "disagreement": _matrix(predictions, _disagreement),
        "kappa": _matrix(predictions, _kappa),
        "error_correlation": _matrix(errors, _correlation),
        "double_fault": _matrix(errors, _both),
    }
    return {
        "students": list(students),
        "pairs": pairs,
        "means": {name: _mean_of_pairs(pairs[name]) for name in MEASURES},
    }


def _disagreement(one, other):
    return float(np.mean(one != other))


def _kappa(one, other):
    from sklearn.metrics import cohen_kappa_score

    if len(np.union1d(one, other)) == 1:
        return None
    return float(cohen_kappa_score(one, other))


def _correlation(one, other):
    # Of two classes, the coefficient of Matthews is phi.
    from sklearn.metrics import matthews_corrcoef

    if one.all() or other.all() or not one.any() or not other.any():
        return None
    return float(matthews_corrcoef(one, other))


def _both(one, other):
    return float(np.mean(one & other))


def _matrix(values, measure):
    matrix = [[None] * len(values) for _ in values]
    numbered = itertools.combinations_with_replacement(enumerate(values), 2)
    for (i, one), (j, other) in numbered:
        matrix[i][j] = matrix[j][i] = measure(one, other)
    return matrix


def _mean_of_pairs(matrix):
    pairs = itertools.combinations(range(len(matrix)), 2)
    known = [matrix[i][j] for i, j in pairs if matrix[i][j] is not None]
    return float(np.mean(known)) if known else None
