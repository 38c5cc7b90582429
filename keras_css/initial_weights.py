"""Initial weights, drawn on the host.

The same seed gives the same ones on every backend, and JAX need not compile a
program for each shape, which took it longer than the drawing of all weights.
"""

import math
import random

import keras
import numpy as np


class HostInitializer(keras.initializers.Initializer):
    """Base class: a subclass defines `draw(rng, shape)`.

    Args:
        seed: A whole number; default one from Python's generator, as of Keras'
            own initializers. The same seed draws the same values each time.
    """

    def __init__(self, seed=None):
        self.seed = random.randrange(1, 10**9) if seed is None else seed

    def draw(self, rng, shape):
        """Returns an array of a shape, drawn by a NumPy generator."""
        raise NotImplementedError(f"{type(self).__name__} needs draw().")

    def __call__(self, shape, dtype=None):
        values = self.draw(np.random.default_rng(self.seed), shape)
        return keras.ops.convert_to_tensor(
            values, dtype or keras.config.floatx()
        )

    def get_config(self):
        return {"seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_css")
class KaimingNormal(HostInitializer):
    """N(0, sqrt(2 / fan_out)), fan_out = kernel area * filters."""

    def draw(self, rng, shape):
        fan_out = math.prod(shape[:-2]) * shape[-1]
        return rng.normal(0.0, math.sqrt(2.0 / fan_out), shape)


@keras.saving.register_keras_serializable(package="keras_css")
class Uniform(HostInitializer):
    """U(-bound, bound).

    Args:
        bound: Largest size of a value.
        seed: As of `HostInitializer`.
    """

    def __init__(self, bound, seed=None):
        super().__init__(seed)
        self.bound = bound

    def draw(self, rng, shape):
        return rng.uniform(-self.bound, self.bound, shape)

    def get_config(self):
        return {**super().get_config(), "bound": self.bound}
