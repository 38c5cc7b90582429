"""The code in the documents is run as it stands there."""

import pathlib
import re

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css_runtime.classifier import OnnxClassifier

ROOT = pathlib.Path(__file__).parents[1]


def python_blocks(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def readme(tmp_path, monkeypatch):
    """The README's program, shorter, working in an empty folder."""
    monkeypatch.chdir(tmp_path)
    program, _ = python_blocks("README.md")
    lines = [line for line in program.splitlines() if line.strip()]
    assert len(lines) <= 24, "twenty lines and imports"
    assert "epochs=8" in program
    return program.replace("epochs=8", "epochs=3")


def check(names, least):
    predictions = names["distiller"].predict(names["x_test"], verbose=0)
    correct = predictions["ensemble"].argmax(axis=-1) == names["y_test"]
    assert correct.mean() > least, "the last 397 digits are by other writers"
    loaded = keras.saving.load_model("digits.keras")
    again = loaded.predict(names["x_test"], verbose=0)
    np.testing.assert_allclose(
        again["ensemble"], predictions["ensemble"], atol=1e-4
    )


@pytest.mark.once  # test_distiller.py fits arrays on every backend
def test_twenty_lines_with_arrays(readme):
    names = {}
    exec(compile(readme, "README.md", "exec"), names)
    check(names, least=0.85)
    _, shipping = python_blocks("README.md")
    exec(compile(shipping, "README.md", "exec"), names)
    found, _ = OnnxClassifier("digits.onnx")(names["x_test"])
    logits = names["student"].predict(names["x_test"], verbose=0)
    assert [int(name) for name in found] == logits.argmax(axis=-1).tolist()


def test_the_document_on_extending_holds(tmp_path):
    names = {"keras_css": keras_css}
    for block in python_blocks("docs/extending.md"):
        exec(compile(block, "docs/extending.md", "exec"), names)
    distiller = tiny.cohort(
        names["FirstTeaches"](), transformation=names["ShiftRight"]()
    )
    x, y = tiny.images(16)
    history = distiller.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    assert np.isfinite(history["network_b/kd"]).all()
    distiller.save(tmp_path / "own.keras")
    loaded = keras.saving.load_model(tmp_path / "own.keras")
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0)["ensemble"],
        distiller.predict(x, verbose=0)["ensemble"],
        atol=1e-5,
    )
