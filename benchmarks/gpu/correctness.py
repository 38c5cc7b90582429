"""Golden values of the authors' code, on each backend, TF32 off.

The tests themselves switch TensorFloat-32 off (tests/parity/conftest.py); the
environment does it again beneath them, for NVIDIA's libraries and for JAX.
"""

import os
import re
import subprocess
import sys

from part import COULD_NOT_RUN
from part import DONE
from part import FAILED
from part import ROOT
from part import begin_part

FULL_FLOAT32 = {
    "NVIDIA_TF32_OVERRIDE": "0",
    "JAX_DEFAULT_MATMUL_PRECISION": "highest",
}


def run(call, report):
    for backend in report.begin(call.backends):
        reason = call.backends[backend]
        if reason:
            report.put(backend, COULD_NOT_RUN, reason)
        else:
            report.put(backend, *check(backend, call.dry_run))


def check(backend, dry_run):
    """Returns outcome and line of the golden files on a backend."""
    files = "one_basic" if dry_run else "test_golden"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("tests/parity/test_golden.py", "-k", files),
        ],
        cwd=ROOT,
        env={**os.environ, **FULL_FLOAT32, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout, flush=True)
    found = re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout)
    counts = ", ".join(f"{count} {what}" for count, what in found[-4:])
    if done.returncode != 0 or "passed" not in counts:
        return FAILED, counts or f"pytest ended with {done.returncode}"
    return DONE, f"golden values: {counts}; float32 products in full, no TF32"


if __name__ == "__main__":
    begin_part("correctness", run)
