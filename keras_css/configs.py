"""Configurations in files: what is shared in them, and can they be read."""

import collections
import inspect
import warnings

import keras

from keras_css.copies import SHARED
from keras_css.copies import unshared
from keras_css.errors import UserError
from keras_css.errors import first_line

# Packages of which Keras loads classes that nobody registered.
TRUSTED = ("keras", "keras_hub", "keras_cv", "keras_nlp")
REGISTER = (
    "decorate its class with "
    "keras.saving.register_keras_serializable(package=...) and give it "
    "get_config."
)


def serialized_together(parts, layer):
    """Returns parts of a layer as Keras serialises them, sharing kept.

    In a file that is being saved, Keras marks an object that it meets again,
    but its mark on the first place is lost if that lies deeper than one
    level: the two would be loaded as two. Here every place is marked.

    Args:
        parts: Dict from name to object.
        layer: The layer whose parts they are; it is its own layers, wherever
            they lie in the parts, that stay shared.

    Raises:
        UserError: If a part could not be loaded again.
    """
    # Once this has met all, Keras marks them wherever it meets them.
    for what, part in parts.items():
        check_readable(f"A cohort's {what}", part, REGISTER)
    config = keras.saving.serialize_keras_object(parts)
    met = collections.Counter(_marks(config))
    own = {id(inner) for inner in layer._flatten_layers(include_self=False)}
    return _keep_marks(config, {i for i in own if met[i] > 1})


def _marks(config):
    """Yields every mark of a shared object in a configuration."""
    if isinstance(config, dict):
        if SHARED in config:
            yield config[SHARED]
        for value in config.values():
            yield from _marks(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _marks(value)


def _keep_marks(config, kept):
    """Returns a configuration with no other marks than these."""
    if isinstance(config, dict):
        return {
            key: _keep_marks(value, kept)
            for key, value in config.items()
            if key != SHARED or value in kept
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_keep_marks(value, kept) for value in config)
    return config


def check_readable(what, part, advice):
    """Raises `UserError` if a file with an object in it could not be loaded.

    Args:
        what: What it is, for example `"preprocessing"`.
        part: The object, or None.
        advice: What to use instead.

    Raises:
        UserError: If it has no configuration, holds code, or a class or
            function that is not registered, or if its configuration lacks an
            argument of its class.
    """
    if part is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = keras.saving.serialize_keras_object(part)
    # get_config of a user's class raises anything.
    except Exception as error:
        _refuse(
            what, part, f"it has no configuration: {first_line(error)}", advice
        )
    why = next(_obstacles(config), None) or _forgotten(part, config)
    if why is not None:
        _refuse(what, part, why, advice)


def check_restorable(what, part, advice):
    """As `check_readable`, and restores the object once to see it done."""
    check_readable(what, part, advice)
    try:
        keras.saving.deserialize_keras_object(
            unshared(keras.saving.serialize_keras_object(part)), safe_mode=True
        )
    except Exception as error:
        why = f"its configuration does not restore it: {first_line(error)}"
        _refuse(what, part, why, advice)


def _refuse(what, part, why, advice):
    raise UserError(
        f"{what} must be something that a file can hold, received "
        f"{type(part).__name__}, and {why}: {advice}"
    )


def _forgotten(part, config):
    """Returns which argument an object would be restored without, or None."""
    kind = type(part)
    restore = getattr(kind, "from_config", None)
    # Keras' classes, and a from_config of the user's, know what they lack.
    of_keras = _package(kind) in TRUSTED
    if of_keras or _package(restore) not in (*TRUSTED, "keras_css"):
        return None
    named = (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    for name, argument in inspect.signature(kind).parameters.items():
        if argument.kind in named and name not in config["config"]:
            return f"its get_config lacks {name}"
    return None


def _package(thing):
    return getattr(thing, "__module__", "").partition(".")[0]


def _obstacles(config):
    """Yields what in a configuration could not be loaded in safe mode."""
    if isinstance(config, (list, tuple)):
        for value in config:
            yield from _obstacles(value)
    if not isinstance(config, dict):
        return
    name = config.get("class_name")
    if name == "__lambda__":
        yield "it holds a function as code"
    elif name is not None and "config" in config and "module" in config:
        registered = config.get("registered_name") or name
        function = name == "function"
        module = (config["module"] or "").partition(".")[0]
        known = module in TRUSTED or (function and module == "builtins")
        if not known and keras.saving.get_registered_object(registered) is None:
            title = config["config"] if function else name
            yield f"{title} is not registered"
    for value in config.values():
        yield from _obstacles(value)
