"""Pairs of branches: measures worked out by hand from counted tables."""

import json
import math

import numpy as np
import pytest

from keras_css.evaluation.agreement import MEASURES
from keras_css.evaluation.agreement import pairwise_agreement

pytestmark = pytest.mark.once

# Rows (what a says, what b says, label): of ten images they agree on seven
# (kappa: 0.6 * 0.5 + 0.4 * 0.5 by chance) and are both wrong on two.
SAID = np.array(
    [
        *([(0, 0, 0)] * 3 + [(0, 0, 1)]),
        *[(0, 1, 0), (0, 1, 1), (1, 0, 1)],
        *([(1, 1, 1)] * 2 + [(1, 1, 0)]),
    ]
)
A, B, LABELS = SAID.T
EXPECTED = {
    "disagreement": 0.3,
    "kappa": (0.7 - 0.5) / (1 - 0.5),
    # Both wrong 2, both right 5, only a 1, only b 2.
    "error_correlation": (2 * 5 - 1 * 2) / math.sqrt(3 * 7 * 4 * 6),
    "double_fault": 0.2,
}


def logits(classes, num_classes=3):
    """Returns logits of which those of the given classes are the largest."""
    return np.eye(num_classes)[classes] - 5.0


def test_each_measure_by_hand():
    found = pairwise_agreement({"a": logits(A), "b": logits(B)}, LABELS)
    assert found["students"] == ["a", "b"]
    assert set(EXPECTED) == set(MEASURES)
    assert found["means"] == pytest.approx(EXPECTED)
    for measure, value in EXPECTED.items():
        (aa, ab), (ba, bb) = found["pairs"][measure]
        assert ab == ba == pytest.approx(value)
        itself = {"disagreement": (0, 0), "double_fault": (0.3, 0.4)}
        assert (aa, bb) == pytest.approx(itself.get(measure, (1, 1)))


def test_identical_students_agree_wholly():
    found = pairwise_agreement({"a": logits(A), "b": logits(A)}, LABELS)
    assert found["means"] == pytest.approx(
        {
            "disagreement": 0,
            "kappa": 1,
            "error_correlation": 1,
            "double_fault": 0.3,
        }
    )


def test_means_are_over_different_students_and_what_is_defined():
    """The third never errs: its errors correlate with nobody's."""
    students = {"a": logits(A), "b": logits(B), "c": logits(LABELS)}
    found = pairwise_agreement(students, LABELS)
    means, pairs = found["means"], found["pairs"]
    assert means["disagreement"] == pytest.approx((0.3 + 0.3 + 0.4) / 3)
    assert pairs["error_correlation"][2] == [None] * 3
    expected = pytest.approx(EXPECTED["error_correlation"])
    assert means["error_correlation"] == expected
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_none_where_a_measure_says_nothing():
    always = logits(np.full(10, 2))
    alone = pairwise_agreement({"a": logits(A)}, LABELS)
    assert alone["means"] == dict.fromkeys(MEASURES)
    both = pairwise_agreement({"a": always, "b": always}, LABELS)["means"]
    assert both["kappa"] is None and both["error_correlation"] is None
    assert both["disagreement"] == 0 and both["double_fault"] == 1
    # Constant, but of two minds: as they would differ by chance.
    other = {"a": always, "b": logits(np.full(10, 1))}
    assert pairwise_agreement(other, LABELS)["means"]["kappa"] == 0
