"""Advice of made-up comparisons: each diagnosis where it belongs."""

import pathlib

import pytest
from test_comparison_table import result

from keras_css.comparison.advice import advice_text
from keras_css.comparison.advice import advise
from keras_css.comparison.cell import Cell
from keras_css.comparison.table import summary_rows

pytestmark = pytest.mark.once

ROTATION = "css:temperature=4.0+transformation=rotation"


def advice(methods, train=0.99, validation_images=500, ensemble=0.02):
    """Returns the advice on methods with these accuracies in each seed.

    Args:
        methods: Dict from method to a list of accuracies, the same on
            validation and, a point lower, on test.
        train: Accuracy on training images.
        validation_images: How many there are.
        ensemble: What it is better by.
    """
    cells = {}
    for method, values in methods.items():
        for seed, value in enumerate(values):
            both = min(value + ensemble, 0.99)
            six = [value, 0.1, value, 0.1, both, 0.1]
            found = result(six, [a - 0.01 for a in six])
            found["train"] = dict.fromkeys(found["test"], train)
            cells[Cell(pathlib.Path("out"), "digits", method, seed)] = found
    facts = {"digits": {"validation_images": validation_images}}
    return advice_text(advise(summary_rows(cells, facts), facts, typed))


def typed(dataset, method):
    return f"command on {dataset} with {method}"


def test_a_method_that_pays_is_named_with_its_command():
    said = advice({"independent": [0.5, 0.6], ROTATION: [0.55, 0.651]})
    assert f"{ROTATION} pays: +5.1 (+4.4 to +5.7) points on validation" in said
    assert said.endswith(f" Train with\n\n      {typed('digits', ROTATION)}")
    assert "averaged gain +2.0 points" in said
    for words in ("underfits", "no gap", "validation images in"):
        assert words not in said


def test_choices_are_made_on_validation():
    methods = {"independent": [0.5, 0.6], "dml": [0.51, 0.611]}
    said = advice({**methods, "css": [0.53, 0.629]})
    assert "css pays" in said


def test_plain_training_is_what_all_others_are_held_to():
    said = advice({"css": [0.55, 0.651], "independent": [0.5, 0.6]})
    assert "css pays: +5.1" in said


def test_who_underfits_is_told_so_first():
    said = advice({"independent": [0.4], "css": [0.5]}, train=0.42)
    first, *_ = said.splitlines()
    assert "42 % of its own training images right: it underfits" in first
    assert "css is not shown to be better than plain training:" in said
    assert "Until then train with\n" in said
    assert said.endswith(typed("digits", "independent"))


def test_two_seeds_that_differ_alike_on_few_images_prove_nothing():
    said = advice(
        {"independent": [0.40, 0.42], "css": [0.41, 0.43]},
        validation_images=100,
    )
    assert "css is not shown to be better than plain training (about 49" in said


def test_nothing_to_close():
    said = advice({"independent": [0.97, 0.98], "css": [0.96, 0.97]})
    assert "there is no gap to close" in said
    assert "no method is better than plain training" in said


def test_few_images_and_seeds_are_told():
    said = advice(
        {"independent": [0.5, 0.5, 0.5], "css": [0.6, 0.45, 0.55]},
        validation_images=40,
    )
    assert "40 validation images in 3 seeds leave an error of 4.6" in said
    assert "(about 22 seeds would tell)" in said


def test_without_plain_training_nothing_is_advised():
    said = advice({"dml": [0.5, 0.6], "css": [0.6, 0.7]})
    assert "without plain training" in said
    assert "pays" not in said
    assert "command" not in said
