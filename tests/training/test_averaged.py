"""Averaged weights are the mean that is stated, and students like others."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import SGD
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.methods import METHODS
from keras_css.training import re_estimate_statistics
from keras_css.training.seed import set_seed

DECAY, STEPS = 0.5, 12
NAME = "network_a/branch_0/averaged"


def averaging(method="dml", decay=DECAY):
    set_seed(0)
    made = METHODS.get(method)()
    networks = [
        tiny.network(**made.network_defaults) for _ in range(made.cohort_size)
    ]
    distiller = OnlineDistiller(networks, made, average_weights=decay)
    distiller.compile(SGD(0.2))
    return distiller


def flat(network):
    return np.concatenate(
        [
            np.ravel(keras.ops.convert_to_numpy(weight)).astype("float64")
            for weight in network.weights
        ]
    )


@pytest.fixture(scope="module")
def trained():
    """A cohort after some steps, and the weights after each."""
    distiller = averaging()
    x, y = tiny.images(8)
    after = []
    for _ in range(STEPS):
        distiller.train_on_batch(x, y)
        after.append([flat(network) for network in distiller.networks])
    return distiller, after


def test_it_is_the_mean_with_a_decay_that_grows(trained):
    """From 0, and the largest, 1/2, from the tenth step on."""
    distiller, after = trained
    for i, average in enumerate(distiller.averages):
        expected = np.zeros_like(after[0][i])
        for t, weights in enumerate(after):
            d = min(DECAY, t / (t + 9))
            expected = d * expected + (1 - d) * weights[i]
        found = keras.ops.convert_to_numpy(average)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        far = np.abs(after[-1][i] - expected).max()
        assert far > 1e-3, "too near to tell"


def test_inside_the_networks_have_it_and_outside_their_own(trained):
    distiller, after = trained
    x, _ = tiny.images(6, seed=1)
    own = distiller.predict(x, verbose=0)
    with distiller.averaged():
        inside = distiller.predict(x, verbose=0)
        for network, weights in zip(distiller.networks, after[-1]):
            assert np.abs(flat(network) - weights).max() > 1e-3
    for network, weights in zip(distiller.networks, after[-1]):
        np.testing.assert_array_equal(flat(network), weights)
    student = distiller.student(NAME, image_shape=(8, 8, 1))
    assert student.about["student"] == NAME
    logits = student.predict(x, verbose=0)
    key = NAME.removesuffix("/averaged")
    np.testing.assert_allclose(logits, inside[key], rtol=1e-3, atol=1e-4)
    assert np.abs(logits - own[key]).max() > 1e-2


@pytest.mark.once
def test_statistics_taken_inside_stay_with_the_averages(trained):
    distiller, _ = trained
    before = distiller.get_weights()
    with distiller.averaged():
        kept = [flat(network) for network in distiller.networks]
        re_estimate_statistics(
            distiller, [tiny.images(8)], networks=distiller.networks[:1]
        )
        taken = [flat(network) for network in distiller.networks]
    assert np.abs(taken[0] - kept[0]).max() > 1e-3
    np.testing.assert_array_equal(taken[1], kept[1])
    changed = [
        not np.array_equal(one, other)
        for one, other in zip(before, distiller.get_weights(), strict=True)
    ]
    assert sum(changed) == 1, "the first network's average alone"


@pytest.mark.once
def test_a_file_holds_it(trained, tmp_path):
    distiller, _ = trained
    distiller.save(tmp_path / "cohort.keras")
    again = keras.models.load_model(tmp_path / "cohort.keras")
    x, _ = tiny.images(6, seed=1)
    with distiller.averaged(), again.averaged():
        found = again.predict(x, verbose=0)
        for name, logits in distiller.predict(x, verbose=0).items():
            np.testing.assert_allclose(found[name], logits, atol=1e-5)


@pytest.mark.once
def test_students_of_a_method_with_networks_of_its_own():
    distiller = averaging("pcl")
    averaged = [n for n in distiller.student_parts() if n.endswith("/averaged")]
    assert averaged == [
        *(f"network_a/branch_{i}/averaged" for i in range(3)),
        "network_a/averaged",
    ]


@pytest.mark.once
def test_without_a_step_or_the_setting_there_is_none():
    distiller = averaging()
    distiller.build((None, 8, 8, 1))
    with pytest.raises(UserError, match="no step"), distiller.averaged():
        pass
    plain = averaging(decay=0.0)
    plain.build((None, 8, 8, 1))
    assert not plain.averages
    said = pytest.raises(UserError, match="average_weights=0")
    with said, plain.averaged():
        pass
    with pytest.raises(UserError, match="Unknown student"):
        plain.student(NAME)
    with pytest.raises(UserError, match=r"average_weights must lie in \[0, 1"):
        averaging(decay=1.0)
