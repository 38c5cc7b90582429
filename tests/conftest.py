"""Shared set-up."""

import pytest


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
