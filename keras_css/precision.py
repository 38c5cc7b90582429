"""The precisions of training, by Keras' names, and how layers get one."""

import contextlib

import keras


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


def with_policy(config, policy):
    """Returns a configuration in which every layer has a dtype policy.

    Args:
        config: Dict, list or value, as of `get_config`.
        policy: A Keras dtype policy or its name.
    """
    policy = keras.dtype_policies.get(policy)
    if isinstance(config, dict):
        if config.get("class_name") == "InputLayer":
            inner = {**config["config"], "dtype": policy.compute_dtype}
            return {**config, "config": inner}
        if config.get("class_name") == "__keras_tensor__":
            return config
        return {
            key: policy.name if key == "dtype" else with_policy(value, policy)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(with_policy(value, policy) for value in config)
    return config


def scaling_loss(optimizer):
    """Returns an optimizer that scales the loss of float16 training.

    Args:
        optimizer: A Keras optimizer or its name.
    """
    optimizer = keras.optimizers.get(optimizer)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)
