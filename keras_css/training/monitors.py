"""Which way a monitored number gets better, for callbacks that must guess."""

import re

# Words in the names of loss terms; a score has no better or worse.
LOSS_WORDS = {"loss", "ce", "kd"}


def direct(callbacks):
    """Tells callbacks with `mode="auto"` whether their number goes up.

    Keras looks into the metrics given to `compile`, of which there are none.

    Args:
        callbacks: List of callbacks, also of lists of them. Those that monitor
            an accuracy get `mode="max"`, a loss term `mode="min"`.
    """
    for callback in callbacks:
        direct(getattr(callback, "callbacks", None) or [])
        name = getattr(callback, "monitor", None)
        if getattr(callback, "mode", None) != "auto" or name is None:
            continue
        mode = direction(name)
        if mode is not None:
            callback.mode = mode


def direction(name):
    """Returns `"max"` or `"min"` for a number of the logs, else None.

    Args:
        name: Such as `"val_network_a/accuracy"` or `"network_a/main_ce"`.
    """
    words = re.split("[/_]", name)
    if words[-1] == "accuracy":
        return "max"
    return "min" if LOSS_WORDS.intersection(words) else None
