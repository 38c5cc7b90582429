"""Trainings of cells, each a process of its own, some at a time."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import time

from keras_css.comparison.cell import Cell
from keras_css.errors import UserError
from keras_css.errors import one_line
from keras_css.runs.estimate import Estimate
from keras_css.runs.estimate import duration

PATIENCE_SECONDS = 10


@dataclasses.dataclass
class Training:
    """A training that runs.

    Attributes:
        cell: Its `Cell`.
        process: Its `subprocess.Popen`.
        began: When, by `time.monotonic`.
    """

    cell: Cell
    process: subprocess.Popen
    began: float

    @property
    def seconds(self):
        return time.monotonic() - self.began


def run_cells(cells, command, jobs, environment, lock, say, ended):
    """Trains cells; one that fails costs itself only.

    However this ends, no training is left behind.

    Args:
        cells: List of `Cell`, none of them finished.
        command: Function from a cell to the list of words that trains it.
        jobs: How many trainings run at a time.
        environment: Dict of the trainings' environment variables.
        lock: File descriptor that trainings inherit.
        say: Function that takes a line for the user.
        ended: Function that is called after each cell.

    Returns:
        List of the cells that failed.
    """
    waiting, running, failed = list(cells), [], []
    began = time.monotonic()
    with _terminated_like_interrupted():
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    cell = waiting.pop(0)
                    verb = "resuming" if cell.begun else "training"
                    say(f"{verb} {cell.title} (log: {cell.log})")
                    running.append(_start(cell, command, environment, lock))
                time.sleep(0.1)
                for training in [t for t in running if _is_over(t)]:
                    running.remove(training)
                    if not training.cell.finished:
                        failed.append(training.cell)
                    left = len(waiting) + len(running)
                    done = len(cells) - left
                    each = (time.monotonic() - began) / done
                    say(_outcome(training, left, each * left))
                    ended()
        finally:
            _end(running)
    return failed


def measured(command, environment):
    """Returns the `Estimate` that a process says.

    Args:
        command: List of words, with `--estimate` among them.
        environment: Dict of the process' environment variables.

    Raises:
        UserError: If it ends without one.
    """
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = Estimate.read(done.stdout)
    if found is None:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UserError(
            "The steps of a method must be measured, but could not: "
            f"{one_line(said[-1]) if said else 'it said nothing'}"
        )
    return found


def _start(cell, command, environment, lock):
    cell.remove_broken_files()
    cell.log.parent.mkdir(parents=True, exist_ok=True)
    with open(cell.log, "ab") as log:
        process = subprocess.Popen(
            command(cell),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,) if os.name == "posix" else (),
        )
    return Training(cell, process, time.monotonic())


def _is_over(training):
    return training.process.poll() is not None


def _outcome(training, left, estimate):
    """Returns what to say of a training that ended, and of what is left."""
    cell, code = training.cell, training.process.returncode
    rest = f"; cells left: {left}, about {duration(estimate)}" if left else ""
    line = f"{cell.title} after {training.seconds:.1f} s"
    if cell.finished:
        return f"finished {line}{rest}"
    cause = f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
    return f"FAILED {line}, {cause}{rest}\n  {_last_line(cell.log)}"


def _last_line(log):
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return one_line(lines[-1]) if lines else "it said nothing"


def _end(running):
    for training in running:
        training.process.terminate()
    for training in running:
        try:
            training.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            training.process.kill()
            training.process.wait()


@contextlib.contextmanager
def _terminated_like_interrupted():
    """Makes SIGTERM, as of a batch system, end children like Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
