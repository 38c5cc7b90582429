"""Whether a method of the user's own is what a cohort calls."""

import inspect

from keras_css.errors import UserError

# How many arguments each function is given by place, and which by name.
CALLS = {
    "view_names": (1, ()),
    "call_networks": (3, ()),
    "begin": (1, ()),
    "compute_losses": (3, ("epoch", "training")),
    "students": (1, ()),
    "after_step": (1, ()),
    "begin_fit": (1, ()),
    "meet_teachers": (1, ()),
    "ask_teachers": (3, ()),
}


def check_signatures(method, base):
    """Raises `UserError` unless a method's functions take what they are given.

    Args:
        method: The `Method`.
        base: The class whose functions it overrides.
    """
    for name, (count, keywords) in CALLS.items():
        signature = inspect.signature(getattr(method, name))
        try:
            signature.bind(*range(count), **dict.fromkeys(keywords))
        except TypeError as error:
            asked = inspect.signature(getattr(base, name).__get__(method))
            raise UserError(
                f"{type(method).__name__}.{name} must take {asked}, received "
                f"{signature}: name all of them, used or not."
            ) from error


def check_terms(method, terms):
    """Raises `UserError` unless these are terms of a loss, and their sum.

    Args:
        method: The `Method`.
        terms: What its `compute_losses` returned.
    """
    title = f"{type(method).__name__}.compute_losses"
    if not isinstance(terms, dict) or "loss" not in terms:
        found = sorted(terms) if isinstance(terms, dict) else type(terms)
        raise UserError(
            f"{title} must return a dict of scalars with 'loss' among them, "
            f"which is minimised, received {found}: return "
            '{**terms, "loss": sum(terms.values())}.'
        )
    for name, term in terms.items():
        shape = tuple(getattr(term, "shape", ()))
        if shape:
            raise UserError(
                f"{title} must return scalars, received '{name}' of shape "
                f"{shape}: take keras_css.methods.losses.batch_mean of it."
            )
