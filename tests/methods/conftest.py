"""Formula tests compute in float32, or in float64 where parity asks for it."""

import os

import keras

keras.config.set_floatx(os.environ.get("CSS_GOLDEN_FLOATX", "float32"))
