"""Runs the tests on every installed backend, as many at a time as cores.

    python tests/run_backends.py [BACKEND ...]

Named backends must run: one that is not installed is an error. Without names
every installed backend runs and the others are named. Tests marked `once` do
not depend on the backend: they run by themselves, with the first one.
"""

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


class BackendRun:
    """pytest on one backend, its output kept until it ends."""

    def __init__(self, backend, marks, log):
        self.name = f"{backend}, {marks}"
        self.began = time.monotonic()
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-m", marks],
                env={
                    **os.environ,
                    "KERAS_BACKEND": backend,
                    "TF_CPP_MIN_LOG_LEVEL": "2",
                    # Most of the time would go into making JAX's programs
                    # fast that run for a few steps.
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


def main(required):
    unknown = sorted(set(required) - set(BACKENDS))
    if unknown:
        print(f"error: unknown backends {unknown}; known: {list(BACKENDS)}")
        return 2
    with tempfile.TemporaryDirectory() as logs:
        return run_all(required, pathlib.Path(logs))


def run_all(required, logs):
    """Runs all installed backends; returns the exit code."""
    installed = [b for b in BACKENDS if importlib.util.find_spec(b)]
    # The longest first, so that the last ones run side by side.
    waiting = [(b, "once") for b in installed[:1]]
    waiting += [(b, "not once") for b in SLOWEST_FIRST if b in installed]
    running, report, failed = [], [], not installed
    told = time.monotonic()
    while waiting or running:
        while waiting and len(running) < max(1, os.cpu_count() or 1):
            backend, marks = waiting.pop(0)
            log = logs / f"{backend} {marks}"
            running.append(BackendRun(backend, marks, log))
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
    for backend in BACKENDS:
        if backend not in installed:
            hint = f'make test BACKENDS="{backend}" installs it'
            if backend in required:
                failed, hint = True, "it was required"
            report.append(f"{backend}: NOT RUN, not installed ({hint})")
    print("== backends\n" + "\n".join(report), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
