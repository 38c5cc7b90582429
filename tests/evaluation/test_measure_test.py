"""The one pass over the test part measures what `predict` returns."""

import numpy as np
import pytest
import tiny

from keras_css import UserError
from keras_css.data import Split
from keras_css.evaluation import best_student
from keras_css.evaluation import choose_student
from keras_css.evaluation import evaluate_students
from keras_css.evaluation import measure_test
from keras_css.evaluation import most_accurate
from keras_css.evaluation import predict_students
from keras_css.evaluation import shipping
from keras_css.evaluation.calibration import expected_calibration_error
from keras_css.evaluation.students import noise
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
    found = predict_students(distiller, split, batch_size=16)
    measured, agreement = measure_test(distiller, split, found)
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


STUDENTS = ["ensemble", "network_a", "network_a/branch_0", "network_a/main"]


@pytest.mark.once
def test_of_equals_the_cheapest_is_the_most_accurate():
    """A main branch has no transformation; a network costs its branches."""
    equal = dict.fromkeys(STUDENTS, 0.5)
    assert most_accurate(equal) == "network_a/main"
    assert most_accurate({**equal, "network_a": 0.6}) == "network_a"
    del equal["network_a/main"]
    assert most_accurate(equal) == "network_a/branch_0"


@pytest.mark.once
def test_the_best_is_the_cheapest_within_a_standard_error():
    """0.5 and 0.45 of 100 images differ by 0.0705 at one standard error."""
    draws = np.random.default_rng(0).binomial(100, [[0.5], [0.45]], (2, 99999))
    error = np.std((draws[0] - draws[1]) / 100)
    assert noise(0.5, 0.45, 100) == pytest.approx(error, rel=0.02)
    sizes = dict(zip(STUDENTS, (40, 20, 10, 10)))
    found = dict(zip(STUDENTS, (0.5, 0.49, 0.45, 0.44)))

    def best(images, **others):
        return best_student({**found, **others}, sizes, images)

    assert best(100) == "network_a/main", "of one size the untransformed"
    assert best(150) == "network_a/branch_0", "0.057; main lies 0.06 behind"
    assert best(1000) == "network_a"
    assert best(10**6) == "ensemble"
    words = {"best": "network_a/main", "accuracy": "ensemble"}
    words |= {"branch": "network_a/branch_0", "network_a": "network_a"}
    for word, name in words.items():
        assert choose_student(word, found, sizes, 100) == name
    with pytest.raises(UserError, match="Unknown student 'bets'"):
        choose_student("bets", found, sizes, 100)


@pytest.mark.once
def test_students_of_the_networks_that_may_ship():
    parts = tiny.cohort(num_branches=2).student_parts()
    assert shipping(parts) == parts
    own = [f"network_a/branch_{i}" for i in range(2)] + ["network_a"]
    for ship in ("network_a", ["network_a"]):
        assert list(shipping(parts, ship)) == own
    assert shipping(parts, "network_a,network_b") == parts
    with pytest.raises(UserError, match="network to ship 'b'"):
        shipping(parts, "b")
    with pytest.raises(UserError, match="received none"):
        shipping(parts, [])
