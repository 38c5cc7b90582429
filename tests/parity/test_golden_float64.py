"""In float64 the parity is exact: what float32 leaves over is rounding."""

import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.once
def test_golden_values_in_float64():
    # TensorFlow is always installed and needs no switch for float64. A second
    # process, because the float type is one of Keras' global settings.
    run = subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
            str(pathlib.Path(__file__).parent / "test_golden.py"),
        ],
        env={
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "CSS_GOLDEN_FLOATX": "float64",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
