"""Runs the tests on every installed backend, one process a backend.

    python tests/run_backends.py [BACKEND ...]

Named backends must run: one that is not installed is an error. Without names
every installed backend runs and the others are named. Tests marked `once` do
not depend on the backend and run a single time.
"""

import importlib.util
import os
import subprocess
import sys
import time

BACKENDS = ("tensorflow", "jax", "torch")


def main(required):
    unknown = sorted(set(required) - set(BACKENDS))
    if unknown:
        print(f"error: unknown backends {unknown}; known: {list(BACKENDS)}")
        return 2
    installed = [b for b in BACKENDS if importlib.util.find_spec(b)]
    missing = [b for b in BACKENDS if b not in installed]
    report, failed = [], False
    for i, backend in enumerate(installed):
        print(f"== {backend}", flush=True)
        began = time.monotonic()
        marks = [] if i == 0 else ["-m", "not once"]
        code = subprocess.run(
            [sys.executable, "-m", "pytest", *marks],
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "TF_CPP_MIN_LOG_LEVEL": "2",
            },
            check=False,
        ).returncode
        seconds = time.monotonic() - began
        outcome = "passed" if code == 0 else f"FAILED (pytest exit {code})"
        report.append(f"{backend}: {outcome} in {seconds:.0f} s")
        failed = failed or code != 0
    for backend in missing:
        hint = f'make test BACKENDS="{backend}" installs it'
        if backend in required:
            failed = True
            hint = "it was required"
        report.append(f"{backend}: NOT RUN, not installed ({hint})")
    print("== backends")
    print("\n".join(report), flush=True)
    return 1 if failed or not installed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
