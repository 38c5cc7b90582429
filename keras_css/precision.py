"""The precisions of training, by Keras' names, and how layers get one."""

import contextlib

import keras

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@contextlib.contextmanager
def default_precision(policy):
    """While it lasts, new layers have this dtype policy.

    Args:
        policy: A Keras dtype policy or its name.
    """
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(kept)


def scaling_loss(optimizer):
    """Returns an optimizer that scales the loss of float16 training.

    Args:
        optimizer: A Keras optimizer or its name.
    """
    optimizer = keras.optimizers.get(optimizer)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)
