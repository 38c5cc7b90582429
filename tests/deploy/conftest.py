"""One student exported once, for all tests of what is made of the file."""

import keras
import numpy as np
import onnx
import pytest
import tiny

import keras_css
from keras_css.data import Split
from keras_css.deploy import export_onnx


@pytest.fixture(scope="session")
def splits():
    """Pixels from 0 to 255 whose class can be seen: validation and test."""
    parts = []
    for seed in (1, 2):
        x, y = tiny.images(40, seed=seed)
        parts.append(Split(np.clip(x * 80 + 90, 0, 255).astype("uint8"), y))
    return parts


@pytest.fixture(scope="session")
def distiller(splits):
    """A cohort that has learnt its images."""
    distiller = tiny.cohort(
        optimizer=keras_css.SGD(0.3),
        preprocessing=keras.layers.Rescaling([1 / 80], [-1.2], dtype="float32"),
    )
    x, y = tiny.images(64)
    x = np.clip(x * 80 + 90, 0, 255).astype("uint8")
    distiller.fit(x, y, batch_size=16, epochs=40, verbose=0)
    return distiller


@pytest.fixture(scope="session")
def exported(distiller, splits, tmp_path_factory):
    """`(student, path, report)` of network_a's branch 1, float32."""
    path = tmp_path_factory.mktemp("exported") / "student.onnx"
    student = distiller.student("network_a/branch_1")
    report = export_onnx(
        student,
        path,
        ["left", "right", "up", "down & <out>"],
        validation=splits[0],
        test=splits[1],
        say=lambda line: None,
    )
    return student, path, report


@pytest.fixture(scope="session")
def proto(exported):
    return onnx.load(exported[1])
