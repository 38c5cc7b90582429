"""Runs the tests on every installed backend, on all cores.

    python tests/run_backends.py [--fast] [--after BACKEND] [BACKEND ...]

Named backends must run: one that is not installed is an error. Without names
every installed backend runs and the others are named. Tests marked `once` do
not depend on the backend: they run on the first one. Tests marked `several`
need a second backend beside the running one.

`--after tensorflow` goes on where TensorFlow was tested while nothing else was
installed: the named backends run, and on TensorFlow what is marked `several`.
`--fast` runs a choice of cheap tests on the first backend.
"""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BACKENDS = ("tensorflow", "jax", "torch")
TESTS = pathlib.Path(__file__).parent
# On two idle cores, for the first backend and for one more.
MINUTES_FIRST, MINUTES_MORE = 17, 6
# Those that take a minute begin first: none is then alone at the end.
LONG = (
    *("parity/test_float64.py", "test_agreement.py"),
    *("journeys/test_cut_models.py", "journeys/test_stop_and_resume.py"),
    *("training/test_recording.py", "test_round_trips.py"),
)
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
    files = [*(str(TESTS / name) for name in LONG), str(TESTS)]
    if given.fast:
        first = [b for b in installed if b in given.required] or installed
        suites = [(first[0], "not several")]
        files = [str(TESTS / name) for name in FAST]
        print(f"A choice of the tests; left out: {LEFT_OUT}.", flush=True)
    else:
        suites = suites_of(installed, given.required, given.after)
        print(how_long(suites), flush=True)
    with tempfile.TemporaryDirectory() as compiled:
        report, failed = run_all(suites, files, compiled)
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
    whole = [backend for backend, marks in suites if marks != "several"]
    more = [marks for _, marks in suites if marks in ("not once", "several")]
    first = len(suites) > len(more)
    minutes = MINUTES_FIRST * first + MINUTES_MORE * len(more)
    return (
        f"All tests on {' and '.join(whole)}: about {minutes} minutes on two "
        "idle cores. A choice of cheap ones: make test FAST=1"
    )


def suites_of(installed, required, after):
    """Returns list of `(backend, marks)`, one run of pytest each.

    Args:
        installed: Backends that are there, in the order of `BACKENDS`.
        required: Those that were named.
        after: The backend that was tested by itself before, or None.
    """
    if after:
        named = [b for b in installed if b in required and b != after]
        return [*((b, "not once") for b in named), (after, "several")]
    # Without marks pytest leaves nothing out.
    marks = "" if len(installed) > 1 else "not several"
    return [(installed[0], marks), *((b, "not once") for b in installed[1:])]


def run_all(suites, files, compiled):
    """Returns a line on each suite, and whether one failed."""
    report, failed = [], False
    for backend, marks in suites:
        name = f"{backend}, {marks or 'all'}"
        print(f"\n== {name}", flush=True)
        began = time.monotonic()
        code = run(backend, marks, files, compiled)
        # pytest exits with 0 if all did.
        outcome = "passed" if code == 0 else f"FAILED (pytest exit {code})"
        seconds = time.monotonic() - began
        report.append(f"{name}: {outcome} in {seconds:.0f} s")
        failed = failed or code != 0
    return report, failed


def run(backend, marks, files, compiled):
    """Returns the exit code of pytest on a backend.

    Args:
        compiled: Folder for JAX's programs: many tests compile the same ones.
    """
    # A process a core, each with files of its own until none is left.
    share = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # PyTorch's threads would wait for cores that the other process has,
        # up to eight times as long.
        "OMP_NUM_THREADS": "1",
        # Most of the time would go into making JAX's programs fast that run
        # for a few steps. What compares numbers turns it off: the fixture
        # `optimized`.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_COMPILATION_CACHE_DIR": compiled,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", *share, "-m", marks, *files],
        env=environment,
        check=False,
    ).returncode


def absence(backend, was_required):
    """Returns the line on a backend that is not installed."""
    hint = f'make test BACKENDS="{backend}" installs it'
    if was_required:
        hint = "it was required"
    return f"{backend}: NOT RUN, not installed ({hint})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
