"""Runs the tests on every installed backend, as many at a time as cores.

    python tests/run_backends.py [--fast] [--after BACKEND] [BACKEND ...]

Named backends must run: one that is not installed is an error. Without names
every installed backend runs and the others are named. Tests marked `once` do
not depend on the backend: they run by themselves, with the first one. Tests
marked `several` need a second backend beside the running one.

`--after tensorflow` goes on where TensorFlow was tested while nothing else was
installed: the named backends run, and on TensorFlow what is marked `several`.
`--fast` runs a choice of cheap tests on the first backend.
"""

import argparse
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

BACKENDS = ("tensorflow", "jax", "torch")
SLOWEST_FIRST = ("jax", "tensorflow", "torch")
SECONDS_BETWEEN_SIGNS = 30
TESTS = pathlib.Path(__file__).parent
# Two halves keep two cores busy to the end, but for `once` the longer one
# first; commands share trained runs, and so a process.
COMMANDS = TESTS / "journeys"
HALVES = {
    "all else": (str(TESTS), f"--ignore={COMMANDS}"),
    "commands": (str(COMMANDS),),
}
# On two idle cores, for so many backends.
MINUTES = {1: 22, 2: 32, 3: 40}
# Formulas, kernels, data, files and one training step, without the commands.
FAST = (
    *("methods/float64_losses.py", "methods/test_limits.py"),
    *("data/test_layouts.py", "data/test_load.py", "data/test_batches.py"),
    *("runs/test_history_file.py", "runs/test_recipes.py"),
    *("evaluation", "comparison/test_comparison_table.py"),
    *("backbones/test_cost.py", "test_backbones.py", "test_network.py"),
    *("test_supervision.py", "test_training_parts.py", "test_imports.py"),
    *("training/test_sgd_update.py", "journeys/test_user_errors.py"),
)
LEFT_OUT = (
    "trainings from the command line, exports, parity with the authors' "
    "values, hostile files, benchmarks, other backends"
)


class BackendRun:
    """pytest on one backend, its output kept until it ends."""

    def __init__(self, suite, log):
        backend, marks, part, files = suite
        self.name = f"{backend}, {marks}, {part}"
        self.began = time.monotonic()
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-m", marks, *files],
                env={
                    **os.environ,
                    "KERAS_BACKEND": backend,
                    "TF_CPP_MIN_LOG_LEVEL": "2",
                    # A suite a core: PyTorch's threads would wait for cores
                    # that the other one has, up to eight times as long.
                    "OMP_NUM_THREADS": "1",
                    # Most of the time would go into making JAX's programs
                    # fast that run for a few steps. What compares numbers
                    # turns it off: the fixture `optimized`.
                    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def text(self):
        return self.log.read_text("utf-8", "replace")

    def sign_of_life(self):
        done = re.findall(r"\[ *(\d+%)\]", self.text())
        return f"{self.name}: {done[-1] if done else 'starting'}"

    def summary(self):
        """Returns the line that says how it went; pytest exits 0 if all did."""
        code = self.process.returncode
        outcome = "passed" if code == 0 else f"FAILED (pytest exit {code})"
        seconds = time.monotonic() - self.began
        return f"{self.name}: {outcome} in {seconds:.0f} s"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("required", nargs="*", metavar="BACKEND")
    parser.add_argument("--after", choices=BACKENDS)
    parser.add_argument("--fast", action="store_true")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.required) - set(BACKENDS))
    if unknown:
        print(f"error: unknown backends {unknown}; known: {list(BACKENDS)}")
        return 2
    installed = [b for b in BACKENDS if importlib.util.find_spec(b)]
    lacking = [b for b in BACKENDS if b not in installed]
    if given.fast:
        suites = fast_suites(
            [b for b in installed if b in given.required] or installed
        )
        print(f"A choice of the tests; left out: {LEFT_OUT}.", flush=True)
    else:
        suites = suites_of(installed, given.required, given.after)
        print(how_long(suites), flush=True)
    with tempfile.TemporaryDirectory() as logs:
        report, failed = run_all(suites, pathlib.Path(logs))
    for backend in lacking:
        required = backend in given.required
        if required or not given.fast:
            report.append(absence(backend, required))
        failed = failed or required
    print("== backends\n" + "\n".join(report), flush=True)
    if given.fast:
        print(f"Left out: {LEFT_OUT}. All tests: make test", flush=True)
    return 1 if failed or not suites else 0


def how_long(suites):
    """Returns the line that says what begins, and how long it takes."""
    named = [b for b in BACKENDS if b in {backend for backend, *_ in suites}]
    minutes = MINUTES[max(1, len(named))]
    return (
        f"All tests on {' and '.join(named)}: about {minutes} minutes on two "
        "idle cores. A choice of cheap ones: make test FAST=1"
    )


def fast_suites(backends):
    """Returns the two suites of the fast lane, which run side by side."""
    files = [str(TESTS / name) for name in FAST]
    return [
        (backend, marks, "fast", files)
        for backend in backends[:1]
        for marks in ("not once", "once and not several")
    ]


def suites_of(installed, required, after):
    """Returns list of `(backend, marks, part, files)`, long ones first.

    Args:
        installed: Backends that are there, in the order of `BACKENDS`.
        required: Those that were named.
        after: The backend that was tested by itself before, or None.
    """
    between = []
    if after:
        named = [b for b in required if b in installed and b != after]
        wanted = [(b, "not once") for b in SLOWEST_FIRST if b in named]
        between = [(after, "several", "all", (str(TESTS),))]
    else:
        alone = "" if len(installed) > 1 else " and not several"
        wanted = [(b, "once" + alone) for b in installed[:1]]
        wanted += [
            (b, "not once" + alone) for b in SLOWEST_FIRST if b in installed
        ]
    halves = [(*suite, *half) for suite in wanted for half in HALVES.items()]
    return halves[:2] + between + halves[2:]


def run_all(suites, logs):
    """Returns a line on each suite, and whether one failed."""
    waiting, running, report, failed = [*suites], [], [], False
    told = time.monotonic()
    while waiting or running:
        while waiting and len(running) < max(1, os.cpu_count() or 1):
            suite = waiting.pop(0)
            log = logs / " ".join(suite[:3])
            running.append(BackendRun(suite, log))
        time.sleep(0.5)
        for run in [r for r in running if r.process.poll() is not None]:
            running.remove(run)
            print(f"\n== {run.name}\n{run.text()}", flush=True)
            report.append(run.summary())
            failed = failed or run.process.returncode != 0
        if running and time.monotonic() - told > SECONDS_BETWEEN_SIGNS:
            told = time.monotonic()
            print(
                f"tests: {', '.join(r.sign_of_life() for r in running)}",
                flush=True,
            )
    return report, failed


def absence(backend, was_required):
    """Returns the line on a backend that is not installed."""
    hint = f'make test BACKENDS="{backend}" installs it'
    if was_required:
        hint = "it was required"
    return f"{backend}: NOT RUN, not installed ({hint})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
