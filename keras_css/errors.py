"""The errors that a user can cause and that a user can mend."""


class UserError(ValueError):
    """Something the user gave does not fit; the message is one line.

    The line says what was expected, what was received and what to do. The
    commands print it without a traceback and exit with code 2.
    """


class NonFiniteLossError(UserError):
    """A loss term became NaN or infinite during training."""
