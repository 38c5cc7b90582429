"""Shared set-up: the tests' own modules can be imported from anywhere."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(scope="module")
def optimized():
    """Lets XLA optimise JAX's programs, as it does for users.

    `run_backends.py` turns most of that off, for programs that compile soon;
    what holds numbers to a bound turns it on again.
    """
    import keras

    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    name = "jax_disable_most_optimizations"
    before = jax.config.read(name)
    jax.config.update(name, False)
    yield
    jax.config.update(name, before)
