"""The expected calibration error of groups of equally sure predictions."""

import numpy as np
import pytest

from keras_css.evaluation.calibration import describe_calibration
from keras_css.evaluation.calibration import expected_calibration_error
from keras_css.evaluation.calibration import fit_temperature

pytestmark = pytest.mark.once


def error_of(*groups):
    """Returns the ECE of groups `(confidence, right, images)`, 3 classes."""
    logits, labels = [], []
    for confidence, right, count in groups:
        rest = (1 - confidence) / 2
        logits += [np.log([rest, confidence, rest]) + 7.0] * count
        labels += [1] * right + [0] * (count - right)
    return expected_calibration_error(np.array(logits), np.array(labels))


def test_a_calibrated_student_has_none():
    assert error_of((0.6, 6, 10), (0.8, 8, 10), (0.95, 19, 20)) < 1e-12


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param([(0.9, 5, 10)], 0.4, id="overconfident"),
        pytest.param([(0.6, 10, 10)], 0.4, id="underconfident"),
        pytest.param([(0.9, 5, 10), (0.6, 6, 30)], 0.4, id="both bins"),
        pytest.param([(0.9, 5, 10), (0.8, 24, 30)], 0.1, id="by share"),
        pytest.param([(0.9, 5, 10), (0.6, 10, 10)], 0.4, id="no cancelling"),
        # An edge of the 15 bins lies at 13 / 15 = 0.8667.
        pytest.param([(0.81, 86, 100), (0.86, 81, 100)], 0, id="one bin"),
        pytest.param([(0.86, 87, 100), (0.87, 86, 100)], 0.01, id="two bins"),
    ],
)
def test_by_hand(groups, expected):
    assert error_of(*groups) == pytest.approx(expected, abs=1e-9)


def test_certain_and_wrong_is_one():
    logits = np.array([[1e4, 0.0], [1e4, 0.0]], "float32")
    assert expected_calibration_error(logits, np.array([1, 1])) == 1
    assert expected_calibration_error(logits, np.array([0, 0])) == 0


def test_the_temperature_undoes_a_scale():
    """Labels drawn from softmax(z); a student of 2.5 z is too sure."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (4000, 5))
    labels = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    temperature = fit_temperature(2.5 * z, labels)
    assert temperature == pytest.approx(2.5, rel=0.05)
    found = describe_calibration(2.5 * z, labels, temperature)
    assert found["error"] > 0.1
    assert found["error_mended"] < 0.03
    assert sum(row["images"] for row in found["bins"]) == 4000
    sure = found["bins"][-1]
    assert sure["confidence"] > sure["accuracy"] > 0.7
    assert found["bins"][0] == {
        **{"images": 0, "confidence": None, "accuracy": None}
    }


def test_a_student_that_is_always_right_has_a_finite_temperature():
    temperature = fit_temperature(np.eye(3) * 9.0, np.arange(3))
    assert 0.05 <= temperature < 1
