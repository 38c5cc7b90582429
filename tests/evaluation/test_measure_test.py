"""The one pass over the test part measures what `predict` returns."""

import numpy as np
import pytest
import tiny

from keras_css import UserError
from keras_css.data import Split
from keras_css.evaluation import best_student
from keras_css.evaluation import evaluate_students
from keras_css.evaluation import measure_test
from keras_css.evaluation import shipping
from keras_css.evaluation.calibration import expected_calibration_error
from keras_css.methods import Independent


class Gated(Independent):
    """A method with a student that is no branch and no network."""

    def students(self, outputs):
        students = super().students(outputs)
        return {**students, "gated": 3.0 * students["ensemble"]}


def test_measures_are_those_of_the_predictions():
    distiller = tiny.cohort(Gated(), num_branches=2)
    x, y = tiny.images(37)
    distiller.build(x.shape)
    tiny.draw_weights(distiller)
    split = Split(x, y)
    measured, agreement = measure_test(distiller, split, batch_size=16)
    predictions = distiller.predict(x, batch_size=16, verbose=0)
    assert measured["test"] == evaluate_students(distiller, split, 16)
    assert set(measured["calibration_error"]) == set(predictions)
    for name, error in measured["calibration_error"].items():
        expected = expected_calibration_error(predictions[name], y)
        assert error == pytest.approx(expected, abs=1e-6)
    branches = [f"network_{n}/branch_{i}" for n in "ab" for i in range(2)]
    assert agreement["students"] == branches
    first, last = (predictions[branches[i]].argmax(-1) for i in (0, 3))
    share = np.mean(first != last)
    assert share > 0, "too alike to tell"
    assert agreement["pairs"]["disagreement"][0][3] == pytest.approx(share)
    for name, mean in agreement["means"].items():
        assert measured["diversity"][name] == mean
    assert measured["diversity"]["fair_mutual"] > 0


def test_of_equals_the_cheapest_is_the_best():
    """A main branch has no transformation; a network costs its branches."""
    students = ["ensemble", "network_a", "network_a/branch_0", "network_a/main"]
    equal = dict.fromkeys(students, 0.5)
    assert best_student(equal) == "network_a/main"
    assert best_student({**equal, "network_a": 0.6}) == "network_a"
    del equal["network_a/main"]
    assert best_student(equal) == "network_a/branch_0"


@pytest.mark.once
def test_students_of_the_networks_that_may_ship():
    parts = tiny.cohort("css", num_branches=2).student_parts()
    assert shipping(parts) == parts
    own = [f"network_a/branch_{i}" for i in range(2)] + ["network_a"]
    for ship in ("network_a", ["network_a"]):
        assert list(shipping(parts, ship)) == own
    assert shipping(parts, "network_a,network_b") == parts
    with pytest.raises(UserError, match="network to ship 'b'"):
        shipping(parts, "b")
    with pytest.raises(UserError, match="received none"):
        shipping(parts, [])
