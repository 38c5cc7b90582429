"""What happens when the reader of a command's output leaves."""

import functools
import os
import select
import sys
from collections.abc import Callable
from typing import ParamSpec

# As a shell says of a program that SIGPIPE ended.
READER_LEFT = 141
P = ParamSpec("P")


def ends_with_its_reader(command: Callable[P, int]) -> Callable[P, int]:
    """Lets a function that prints end silently when nobody reads any more.

    `keras-css train --help | head -3` is no error.

    Args:
        command: Function that returns an exit code.

    Returns:
        A function that returns it, or 141 if the reader left.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            try:
                return command(*args, **kwargs)
            finally:
                # Now, not when Python ends and would print a trace.
                _flush()
        except BrokenPipeError:
            if not _reader_left():
                raise
            # What is left in the buffers goes nowhere.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    os.dup2(nowhere, stream.fileno())
            return READER_LEFT

    return run


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _reader_left() -> bool:
    """Whether it is our output that broke, not a pipe to a worker."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            poll.register(stream.fileno(), 0)
    broken = select.POLLERR | select.POLLHUP
    return any(event & broken for _, event in poll.poll(0))
