"""The errors that a user can cause and that a user can mend."""

import difflib
import os
import re
from collections.abc import Iterable

from keras_css_runtime.text import composed

# A line with more names than these would hide the nearest ones.
MOST_LISTED = 40
# What a user gave may be as long as a file; a line of an error is not.
MOST_LETTERS = 2000
LAST_LETTERS = 400


class UserError(ValueError):
    """Something the user gave does not fit; the message is one line.

    The line says what was expected, what was received and what to do. The
    commands print it without a traceback and exit with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shortened(one_line(message)))


class ProofError(Exception):
    """An exported file does not do what the student does: it is not kept.

    The commands print the line and exit with code 1.
    """


class UnreadPicturesError(Exception):
    """Some pictures could not be read; the others were classified.

    The commands print the line and exit with code 1.
    """


class FailedCellsError(Exception):
    """Trainings of a comparison failed; the others are whole.

    The commands print the line and exit with code 1.
    """


class StoppedError(Exception):
    """A signal ended a command, and what it did until then is saved.

    The commands print the line and exit with `code`.
    """

    def __init__(self, message: object, code: int) -> None:
        super().__init__(one_line(message))
        self.code = code


def refuse_url(place: object, what: str) -> None:
    """Raises `UserError` if a place is an address in a network.

    Args:
        place: A path, or what was taken for one.
        what: What it must be, for example `"a picture"`.
    """
    text = str(place)
    # A path has lost one of the slashes.
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", text) and not os.path.exists(
        text
    ):
        raise UserError(
            f"'{text}' must be {what} on this machine, received a URL: "
            "download it first."
        )


def one_line(text: object) -> str:
    """Returns a text as a line that any terminal shows.

    Names of files and classes may hold line breaks, control characters and
    bytes that are no text.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in str(text)
    )


def shortened(line: str) -> str:
    """Returns a line without its middle, where it is longer than any needs.

    The end, which says what to do, stays.
    """
    if len(line) <= MOST_LETTERS:
        return line
    head = line[: MOST_LETTERS - LAST_LETTERS]
    return f"{head} [...] {line[-LAST_LETTERS:]}"


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's text, or what kind it is."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def unknown_name(
    kind: str, name: object, known: Iterable[str], advice: str = ""
) -> UserError:
    """Returns the error for a name that is not among the known ones.

    Args:
        kind: What the name stands for, for example `"backbone"`.
        name: The name that was received.
        known: The names that exist.
        advice: What else to do, a sentence.

    Returns:
        A `UserError` that shows the nearest known names first.
    """
    text: str = composed(str(name))
    names: list[str] = composed(list(known))
    listed = ", ".join(names[:MOST_LISTED]) or "none"
    if len(names) > MOST_LISTED:
        listed += f" and {len(names) - MOST_LISTED} more"
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return UserError(
        f"Unknown {kind} '{text}': {hint}Known: {listed}."
        f"{advice and ' ' + advice}"
    )
