"""Names of classes live in networks, cohorts, students and their files."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import UserError
from keras_css.class_names import read_class_names

pytestmark = pytest.mark.once

NAMES = ("ant", "bee", "café", "d/o g")


def test_names_survive_saving(tmp_path):
    distiller = tiny.cohort(class_names=NAMES)
    distiller.build((None, 8, 8, 1))
    student = distiller.student("ensemble")
    for name, model in (
        ("cohort", distiller),
        ("network", distiller.networks[0]),
        ("student", student),
    ):
        model.save(tmp_path / f"{name}.keras")
    cohort = keras.saving.load_model(tmp_path / "cohort.keras")
    network = keras.saving.load_model(tmp_path / "network.keras")
    assert network.class_names == NAMES
    assert cohort.networks[1].class_names == NAMES
    assert cohort.student("network_b").class_names == NAMES
    assert student.class_names == NAMES
    assert read_class_names(tmp_path / "student.keras") == list(NAMES)
    again = keras.saving.load_model(tmp_path / "student.keras")
    x = np.ones((2, 8, 8, 1), "float32")
    np.testing.assert_allclose(
        again.predict(x, verbose=0), student.predict(x, verbose=0), atol=1e-6
    )


def test_files_of_before_have_none(tmp_path):
    network = tiny.network()
    config = network.get_config()
    del config["class_names"]
    assert type(network).from_config(config).class_names is None
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    assert read_class_names(tmp_path / "m.keras") is None


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c", "c"], "abcd"])
def test_names_that_do_not_fit_are_refused(names):
    with pytest.raises(UserError, match="class_names must be 4 different"):
        tiny.network(class_names=names)
