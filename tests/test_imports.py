"""Importing is light: nothing that the running backend does not need."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "jax", "torch"}
NEVER = {"tensorflow_datasets", "onnx", "tf2onnx", "matplotlib", "sklearn"}


def modules_after(code, backend):
    """Returns the top-level modules that a fresh process holds after `code`."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport json, sys\n"
            "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))",
        ],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.once
@pytest.mark.parametrize("backend", sorted(HEAVY))
def test_import_brings_the_running_backend_only(backend):
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    found = modules_after("import keras_css, keras_css.runs", backend)
    assert backend in found
    if backend != "tensorflow":
        assert "tensorflow" not in found
    # Keras itself imports some of them where they are installed.
    ours = found - modules_after("import keras", backend)
    assert not ours & ((HEAVY | NEVER) - {backend})


@pytest.mark.once
def test_flags_are_read_before_keras_is_imported():
    found = modules_after("import keras_css_cli.train", "tensorflow")
    assert not found & (HEAVY | NEVER | {"keras", "numpy"})
