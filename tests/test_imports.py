"""Importing is light: nothing that the running backend does not need."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "jax", "torch"}
NEVER = {"tensorflow_datasets", "onnx", "tf2onnx", "matplotlib", "sklearn"}


LOOK = """
print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))
"""


def modules_after(backend, *codes):
    """Returns a fresh process' top-level modules after each piece of code."""
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import json, sys\n" + "".join(f"{c}\n{LOOK}" for c in codes),
        ],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()[-len(codes) :]
    return [set(json.loads(line)) for line in lines]


@pytest.mark.once
@pytest.mark.parametrize(
    "backend",
    [
        "tensorflow",
        pytest.param("jax", marks=pytest.mark.several),
        pytest.param("torch", marks=pytest.mark.several),
    ],
)
def test_import_brings_the_running_backend_only(backend):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    by_keras, found = modules_after(
        backend, "import keras", "import keras_css, keras_css.runs"
    )
    assert backend in found
    if backend != "tensorflow":
        assert "tensorflow" not in found
    # Keras itself imports some of them where they are installed.
    ours = found - by_keras
    assert not ours & ((HEAVY | NEVER) - {backend})


@pytest.mark.once
def test_flags_are_read_before_keras_is_imported():
    (found,) = modules_after("tensorflow", "import keras_css_cli.train")
    assert not found & (HEAVY | NEVER | {"keras", "numpy"})
