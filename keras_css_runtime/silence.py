"""What a process of ours has to say is said by the one that started it."""

import contextlib
import ctypes
import importlib.abc
import importlib.machinery
import os
import subprocess
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import IO
from typing import cast

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# In the environment where the level is ours, for the processes we start.
OURS = "KERAS_CSS_LOG_LEVEL"
ERRORS, FATAL = "2", "3"
LOADED, FAILED = b"\0loaded\n", b"\0failed\n"
# Runs in a process of its own, so that nothing is lost where loading crashes.
# TensorFlow's log has two forms: I0000 00:00:17.3 and 2026-01-01 00:00:00.1: I.
SIEVE = rf"""
import re, sys
log = re.compile(
    rb"[IWE]\d{{4}} \d\d:\d\d|\d{{4}}-\d\d-\d\d [\d:.]+: [IWE] "
    rb"|WARNING: All log messages before absl|To enable the following"
)
text = b""
for line in sys.stdin.buffer:
    text += line
    if text.endswith(({LOADED!r}, {FAILED!r})):
        break
lines = text.removesuffix({FAILED!r}).splitlines(keepends=True)
if text.endswith({LOADED!r}):
    lines = text.removesuffix({LOADED!r}).splitlines(keepends=True)
    lines = [line for line in lines if not log.match(line)]
sys.stderr.buffer.write(b"".join(lines))
"""


def be_silent() -> None:
    """Sends standard error of this process nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def quiet_tensorflow() -> None:
    """Keeps TensorFlow's notices off standard error; before its import.

    Errors stay, except where there is no CUDA driver and each start would
    tell of it as of an error; what ends the process stays anywhere. What is
    logged while TensorFlow is loaded, before any level holds, is left out if
    that succeeds. Does nothing where the user has set `TF_CPP_MIN_LOG_LEVEL`.
    """
    if LEVEL in os.environ and OURS not in os.environ:
        return
    os.environ[LEVEL] = ERRORS if _has_cuda_driver() else FATAL
    os.environ[OURS] = os.environ[LEVEL]
    if not any(isinstance(finder, _QuietFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _QuietFinder())


def _has_cuda_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


class _QuietFinder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as ever, whoever imports it, and loads it quietly."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def quietly(module: ModuleType) -> None:
                with _without_log():
                    load(module)

            spec.loader.exec_module = quietly
        return spec


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    """Leaves log lines of native code out of standard error.

    Other lines come when the context ends; all of them if that is an error,
    or if the process ends within.
    """
    try:
        before = os.dup(2)
        sieve = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", SIEVE],
            stdin=subprocess.PIPE,
            # Ctrl-C must not end it before it has said what it holds.
            start_new_session=True,
        )
    # There is no standard error, or no room for a process.
    except OSError:
        yield
        return
    pipe = cast(IO[bytes], sieve.stdin)
    sys.stderr.flush()
    os.dup2(pipe.fileno(), 2)
    ending = FAILED
    try:
        yield
        ending = LOADED
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        with contextlib.suppress(OSError):
            os.write(pipe.fileno(), ending)
        pipe.close()
        sieve.wait()
