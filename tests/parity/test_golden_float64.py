"""In float64 the parity is exact: what float32 leaves over is rounding."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.once
def test_golden_values_in_float64():
    # Neither of the two needs a switch for float64; PyTorch has nothing to
    # compile. A second process, because the float type is one of Keras'
    # global settings.
    backend = "torch" if importlib.util.find_spec("torch") else "tensorflow"
    run = subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
            str(pathlib.Path(__file__).parent / "test_golden.py"),
        ],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "CSS_GOLDEN_FLOATX": "float64",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
