"""What became NaN or infinite is undone, and the learning rate lowered."""

from keras_css.errors import UserError
from keras_css.runs.folder import write_json
from keras_css_runtime.shapes import fits

MOST_ROLLBACKS = 3
FACTOR = 0.5


def read_rollbacks(folder):
    """Returns what was undone in a run: list of dicts, `reason` each.

    Args:
        folder: The `RunFolder`.

    Raises:
        UserError: If the record is damaged.
    """
    if not folder.rollbacks.exists():
        return []
    found = folder.read_json(folder.rollbacks)
    if not fits(found, {"rollbacks": [{"reason": str}]}):
        raise UserError(
            f"{folder.rollbacks} must list what was undone, a reason each, but "
            "does not: start a new run."
        )
    return found["rollbacks"]


def rate_factor(folder):
    """Returns what the learning rate of a run is multiplied by."""
    return FACTOR ** len(read_rollbacks(folder))


def remember_rollback(folder, error, say):
    """Records that a run goes back to its last checkpoint, or its beginning.

    Args:
        folder: The `RunFolder`.
        error: The `NonFiniteLossError`, raised again after the last rollback
            there may be.
        say: Function that takes a line for the user.
    """
    done = read_rollbacks(folder)
    if len(done) >= MOST_ROLLBACKS:
        raise error
    done.append({"reason": str(error)})
    write_json(folder.rollbacks, {"rollbacks": done})
    say(
        f"{error} Rollback {len(done)} of at most {MOST_ROLLBACKS}: going on "
        f"from there with {FACTOR ** len(done):g} of the learning rate."
    )
