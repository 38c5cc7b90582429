"""Compiles a function of tensors for the running backend."""

import keras


def compiled(function):
    """Returns a function that does the same, compiled where that is usual.

    Args:
        function: From nested lists and dicts of tensors to such. What it
            takes from elsewhere may be as it was at the first call.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(function)
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False, reduce_retracing=True)
    import torch

    return torch.no_grad()(function)
