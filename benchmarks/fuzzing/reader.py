"""What is fuzzed: how a hostile input is made, and what reads it."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes:
        name: For the command line and the record.
        make: Function from a `random.Random` and an empty folder that writes
            an input there.
        read: Function that reads the input of such a folder.
    """

    name: str
    make: Callable
    read: Callable


def silent(line):
    """Takes a line for the user, and keeps it from them."""
