"""Arguments of methods as users write them: which there are, which fit."""

import ast
import inspect

from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.methods import METHODS
from keras_css.methods import Method
from keras_css_runtime.shapes import fits


def check_options(method, options):
    """Raises `UserError` unless options are such of the method."""
    known = options_of(method)
    for name, value in options.items():
        if name not in known:
            raise unknown_name(f"option of method {method}", name, known)
        kind = type(known[name])
        if known[name] is not None and not fits(value, kind):
            raise UserError(
                f"Option {name} must be a {kind.__name__} such as "
                f"{known[name]}, received {value!r}."
            )


def options_of(method):
    """Returns a dict from the method's options to their defaults."""
    options = {}
    for base in METHODS.get(method).__mro__:
        if base is Method:
            break
        if "__init__" not in vars(base):
            continue
        parameters = inspect.signature(base.__init__).parameters.values()
        for one in parameters:
            if one.default is not one.empty:
                options.setdefault(one.name, one.default)
        if all(one.kind is not one.VAR_KEYWORD for one in parameters):
            # Nothing goes on to the next base.
            break
    return options


def completed(method, options, epochs):
    """Returns the method's arguments in a run of so many epochs.

    Args:
        method: A name of `METHODS`.
        options: Dict of what was said.
        epochs: Of the run.
    """
    options = {**METHODS.get(method).run_options(epochs), **options}
    if options.get("ramp_down_epochs"):
        options.setdefault("run_epochs", epochs)
    return options


def has_option(method, name):
    """Returns whether a method has an argument of this name."""
    return name in options_of(method)


def parse_method_options(method, assignments):
    """Returns the method's arguments from `name=value` texts.

    Args:
        method: A name of `METHODS`.
        assignments: List of texts such as `"variant=detached"`.

    Returns:
        Dict of values of the type of the argument's default.

    Raises:
        UserError: If a name is no argument of the method, or a value is of
            another type.
    """
    known = options_of(method)
    options = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise UserError(
                "An option of a method must have the form name=value, received "
                f"'{assignment}'."
            )
        if name not in known:
            raise unknown_name(f"option of method {method}", name, known)
        options[name] = _typed(name, text, known[name])
    return options


def literal(text):
    """Returns the value of a Python literal, None for anything else."""
    try:
        return ast.literal_eval(text)
    # What is no literal, or one that is nested or long beyond reason.
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _typed(name, text, default):
    if isinstance(default, str):
        return text
    value = literal(text)
    number = isinstance(value, int) and not isinstance(value, bool)
    # Where None stands for a share of the run, others are numbers.
    if default is None and (number or isinstance(value, float)):
        return value
    default = 0.0 if default is None else default
    if isinstance(default, float) and number:
        return float(value)
    if type(value) is not type(default):
        raise UserError(
            f"Option {name} must be a {type(default).__name__} such as "
            f"{default}, received '{text}'."
        )
    return value
