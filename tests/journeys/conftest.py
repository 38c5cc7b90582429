"""Runs commands as a user types them."""

import os
import pathlib
import subprocess
import sys

import keras
import pytest
from quick_run import QUICK

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """Returns `command("scripts/train.py", *flags, cwd=...)`."""
    compiled = tmp_path_factory.mktemp("compiled")

    def run(script, *flags, cwd):
        return subprocess.run(
            [sys.executable, str(ROOT / script), *map(str, flags)],
            cwd=cwd,
            env={
                **os.environ,
                "KERAS_BACKEND": keras.backend.backend(),
                # JAX compiles the same step for several of these commands.
                "JAX_COMPILATION_CACHE_DIR": str(compiled),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    return run


@pytest.fixture(scope="session")
def trained(command, tmp_path_factory):
    """A short but complete run, and what the command printed."""
    place = tmp_path_factory.mktemp("place")
    done = command("scripts/train.py", *QUICK, cwd=place)
    assert done.returncode == 0, done.stderr
    return place, done.stdout


@pytest.fixture(scope="session")
def refused(command):
    """Returns `refused(script, *flags, cwd=...)`: the one line of an error."""

    def run(script, *flags, cwd):
        done = command(script, *flags, cwd=cwd)
        assert done.returncode == 2, done.stdout + done.stderr
        lines = [
            line
            for line in done.stderr.splitlines()
            if line.startswith("error: ")
        ]
        assert len(lines) == 1, done.stderr
        assert "Traceback" not in done.stderr
        return lines[0]

    return run
