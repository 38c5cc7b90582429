"""Reading one input under watch: exceptions, time, memory."""

import dataclasses
import pathlib
import resource
import signal
import time
import traceback

from keras_css_runtime.errors import ProofError
from keras_css_runtime.errors import UserError

MOST_SECONDS = 1.0
# An input that takes longer is interrupted.
HANG_SECONDS = 10.0
MOST_BYTES = 500 * 10**6
MOST_LETTERS = 4000
# What a whole worker may address beyond what it has at its start.
ROOM = 4 * 2**30


class Hang(BaseException):
    """An input took too long; no `except Exception` may swallow that."""


@dataclasses.dataclass
class Outcome:
    """How the reading of an input ended.

    Attributes:
        kind: `"accepted"`, `"refused"` or `"finding"`.
        detail: What was said, or is wrong.
        where: For a finding what tells it from others.
        seconds: It took.
        megabytes: The process grew at most.
    """

    kind: str
    detail: str = ""
    where: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


def limit_memory():
    """Bounds the process, so that a runaway ends in MemoryError."""
    size = _status("VmSize") + ROOM
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size, most))


def watch(reader, folder):
    """Reads an input; returns the `Outcome`."""
    signal.signal(signal.SIGALRM, _interrupt)
    # Making the kernel forget the peak takes longer than most readings: an
    # input that stays below an earlier one's peak counts as none.
    peak, before = _status("VmHWM"), _status("VmRSS")
    began = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        outcome = _read(reader, folder)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    outcome.seconds = time.perf_counter() - began
    now = _status("VmHWM")
    grown = now - before if now > peak else 0
    outcome.megabytes = grown / 10**6
    if outcome.kind != "finding" and grown > MOST_BYTES:
        outcome.detail = f"memory: {outcome.megabytes:.0f} MB"
        outcome.kind, outcome.where = "finding", "memory"
    return outcome


def _read(reader, folder):
    try:
        reader.read(folder)
        return Outcome("accepted")
    except Hang as error:
        return _finding("hang", error)
    except (UserError, ProofError) as error:
        text = str(error)
        if _ran_out_of_memory(error):
            return _finding("refused only when memory ran out", error)
        if len(text) > MOST_LETTERS or not text.isprintable():
            return _finding("not a line that can be shown", error)
        return Outcome("refused", text)
    except OSError as error:
        # The command layer says these in one line.
        if error.strerror:
            return Outcome("refused", str(error))
        return _finding("uncaught", error)
    except Exception as error:
        return _finding("uncaught", error)


def _finding(kind, error):
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "keras_css" in f.filename] or frames[-1:]
    place = f"{pathlib.Path(own[-1].filename).name}:{own[-1].name}"
    name = type(error).__name__
    text = "".join(traceback.format_exception(error))
    return Outcome("finding", text, f"{kind}: {name} in {place}")


def _ran_out_of_memory(error):
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
    return False


def _interrupt(number, frame):
    raise Hang(f"more than {HANG_SECONDS:g} s")


def _status(name):
    """Returns a line of the process's status, in bytes."""
    with open("/proc/self/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    raise KeyError(name)
