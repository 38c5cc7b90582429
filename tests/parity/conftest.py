"""Parity tests compute in full float32, or in float64: see `test_golden.py`."""

import os

import keras

keras.config.set_floatx(os.environ.get("CSS_GOLDEN_FLOATX", "float32"))


def use_full_float32():
    """Keeps a GPU from rounding float32 products to TensorFloat-32."""
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
    elif keras.backend.backend() == "torch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    else:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)


use_full_float32()
