"""The errors that a user can cause and that a user can mend."""

from keras_css_runtime.errors import ProofError
from keras_css_runtime.errors import StoppedError
from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import first_line
from keras_css_runtime.errors import one_line
from keras_css_runtime.errors import unknown_name


class NonFiniteLossError(UserError):
    """A loss term became NaN or infinite during training."""


__all__ = [
    "NonFiniteLossError",
    "ProofError",
    "StoppedError",
    "UserError",
    "first_line",
    "one_line",
    "unknown_name",
]
