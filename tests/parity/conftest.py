"""Lets the parity tests run in float64, see `test_golden.py`."""

import os

import keras

keras.config.set_floatx(os.environ.get("CSS_GOLDEN_FLOATX", "float32"))
