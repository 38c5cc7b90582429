"""In float64 the parity is exact: what float32 leaves over is rounding."""

import os
import pathlib
import subprocess
import sys

import keras

HERE = pathlib.Path(__file__).parent
WHAT = (
    str(HERE / "test_golden.py"),
    str(HERE / "float64_steps.py"),
    str(HERE.parent / "methods" / "float64_losses.py"),
)
# PyTorch compiles nothing; elsewhere one file of CSS is enough, and on JAX,
# which compiles longest, a method's default.
CHOICE = {
    "torch": "",
    "tensorflow": "not bottleneck",
    "jax": "not bottleneck and not variants and not standardized_logits",
}[keras.backend.backend()]


def test_golden_values_steps_and_formulas_in_float64():
    """A second process, because the float type is a global setting."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(*WHAT, "-k", CHOICE),
        ],
        env={
            **os.environ,
            "KERAS_BACKEND": keras.backend.backend(),
            "CSS_GOLDEN_FLOATX": "float64",
            # Without, JAX takes float64 for float32.
            "JAX_ENABLE_X64": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
