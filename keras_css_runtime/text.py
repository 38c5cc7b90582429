"""Text that people typed, in the one form in which it is compared."""

import unicodedata
from typing import Any


def composed(value: Any) -> Any:
    """Returns text in Unicode's composed form (NFC).

    An é is one character or two, depending on the system that wrote it; both
    look the same and mean the same. Paths are not text: they stay as they are
    on disk.

    Args:
        value: A text; a list or tuple, whose texts are composed; or anything
            else, which is returned as it is.
    """
    if isinstance(value, (list, tuple)):
        return type(value)(map(_composed, value))
    return _composed(value)


def _composed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return unicodedata.normalize("NFC", value)
