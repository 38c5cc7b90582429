"""Copies of layers: a configuration that shares nothing, and the weights."""

SHARED = "shared_object_id"


def own_config(layer):
    """Returns a layer's configuration, for a copy with objects of its own.

    While Keras loads or saves a file, configurations that are asked for a
    second time name objects that were seen before, and what is made of them
    would be these objects instead of copies.

    Args:
        layer: A layer or a model.
    """
    return unshared(layer.get_config())


def unshared(config):
    """Returns a configuration without the marks of shared objects."""
    if isinstance(config, dict):
        return {k: unshared(v) for k, v in config.items() if k != SHARED}
    if isinstance(config, (list, tuple)):
        return type(config)(unshared(value) for value in config)
    return config


def take_weights(copy, layer):
    """Gives a copy all weights of a layer, and what is derived from them.

    Args:
        copy: A layer, built, of the same configuration.
        layer: The layer it was made from.
    """
    copy.set_weights(layer.get_weights())
    derive_state(copy)


def derive_state(layer):
    """Lets a layer notice that its weights were set.

    Normalization computes with values that it derives from them.

    Args:
        layer: A layer or a model, built.
    """
    for inner in layer._flatten_layers():
        if hasattr(inner, "finalize_state"):
            inner.finalize_state()
