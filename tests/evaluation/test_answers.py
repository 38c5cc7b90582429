"""What is told of one student's answers, worked out by hand."""

import json

import numpy as np
import pytest

from keras_css.evaluation.answers import advised
from keras_css.evaluation.answers import choose_threshold
from keras_css.evaluation.answers import describe_answers
from keras_css.evaluation.answers import wilson
from keras_css.evaluation.lines import answer_lines

pytestmark = pytest.mark.once

# (label, answer, probability) of seven images of three classes out of four.
SAID = (
    *((0, 0, 0.91), (0, 0, 0.61), (0, 1, 0.71), (0, 1, 0.85)),
    *((1, 1, 0.96), (2, 0, 0.51), (2, 1, 0.993)),
)
NAMES = [f"photos/{letter}.png" for letter in "abcdefg"]


def described(said=SAID, classes=4):
    logits = np.empty((len(said), classes))
    for row, (_, answer, probability) in enumerate(said):
        logits[row] = np.log((1 - probability) / (classes - 1))
        logits[row, answer] = np.log(probability)
    labels = np.array([label for label, *_ in said])
    names = [NAMES[row % 7] for row in range(len(said))]
    return describe_answers(logits + 3.0, labels, classes, names)


def test_by_hand():
    found = described()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["images"], found["accuracy"]) == (7, pytest.approx(3 / 7))
    assert found["confusion"] == [
        *([2, 2, 0, 0], [0, 1, 0, 0]),
        *([1, 1, 0, 0], [0, 0, 0, 0]),
    ]
    assert found["classes"]["images"] == [4, 1, 2, 0]
    assert found["classes"]["right"] == [2, 1, 0, 0]
    assert found["classes"]["accuracy"] == [0.5, 1, 0, None]
    assert found["classes"]["low"][3] is found["classes"]["high"][3] is None
    assert found["classes"]["taken_for"] == [1, None, 0, None]
    assert found["classes"]["times"] == [2, 0, 1, 0]
    first, *others = found["most_confused"]
    assert first == {"label": 0, "answer": 1, "times": 2}
    assert [pair["times"] for pair in others] == [1, 1]
    images = [mistake["image"] for mistake in found["sure_mistakes"]]
    assert images == [NAMES[row] for row in (6, 3, 2, 5)]
    assert found["sure_mistakes"][0] == {
        **{"row": 6, "image": "photos/g.png", "label": 2, "answer": 1},
        "probability": 0.993,
    }
    doubts = [doubt["row"] for doubt in found["unsure_answers"]]
    assert doubts == [1, 0, 4]
    left = {row["below"]: row for row in found["unsure_below"]}
    assert left[0.8]["answered"] == pytest.approx(4 / 7, abs=1e-4)
    assert left[0.8]["accuracy"] == 0.5
    assert left[0.99]["answered"] == pytest.approx(1 / 7, abs=1e-4)


def test_of_many_classes_only_the_most_confused_pairs_are_kept():
    said = [(i % 200, (i * 7 + 1) % 200, 0.9) for i in range(2000)]
    found = described(said, 200)
    assert found["confusion"] is None
    assert len(found["most_confused"]) == 30
    assert len(found["sure_mistakes"]) == 24
    assert len(json.dumps(found, indent=2)) < 40_000


@pytest.mark.parametrize(
    ("right", "images", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_wilsons(right, images, low, high):
    """The last one is the example of Newcombe 1998, method 3."""
    assert wilson(right, images) == pytest.approx((low, high), abs=1e-4)


def test_a_threshold_is_advised_that_halves_mistakes():
    """Chosen on other images than those whose answers it is told of."""
    sure = np.array([0.55, 0.65, 0.75, 0.85, 0.92, 0.97])
    right = np.array([False, False, True, True, True, True])
    logits = np.log(np.stack([sure, 1 - sure], axis=1))
    # Two of six are wrong; from 0.6 on one of five.
    assert choose_threshold(logits, np.where(right, 0, 1)) == 0.7
    assert choose_threshold(logits, np.zeros(6, int)) == 0.5
    assert choose_threshold(np.zeros((4, 3)), np.zeros(4, int)) is None
    rows = [{"below": b, "accuracy": a} for b, a in ((0.5, 0.8), (0.7, None))]
    found = {"unsure_below": rows, "advised_below": 0.5}
    assert advised(found) == rows[0]
    assert advised({**found, "advised_below": 0.7}) is None
    assert advised({"unsure_below": rows}) is None, "a run of before"


def test_a_terminal_gets_a_few_lines():
    calibration = {"error": 0.12, "temperature": 1.5, "error_mended": 0.04}
    found = {**described(), "student": "network_a", "calibration": calibration}
    found["advised_below"] = 0.9
    names = ["ant", "bee\n", "cat", "dog"]
    lines = answer_lines({"class_names": names, "answers": found})
    assert lines == [
        "network_a on test: 3 of 7 right, 42.9% (95 % interval 15.8 to 75.0)",
        "hardest classes: cat (0% of 2, 1 taken for ant); ant (50% of 4, 2 "
        "taken for bee\\n)",
        "surest mistake: photos/g.png, cat taken for bee\\n (0.99)",
        "calibration error 0.120; with logits divided by 1.50, which suits "
        "validation, 0.040",
        "with --unsure_below 0.9, which suits validation, 42.9% are answered "
        "and 66.7% of these right",
    ]
    assert answer_lines({"class_names": names}) == [], "a run of before"
