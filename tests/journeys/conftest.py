"""Runs commands as a user types them."""

import os
import pathlib
import subprocess
import sys

import keras
import pytest
from absl import flags as absl_flags
from exactly import EXACTLY
from filelock import FileLock
from quick_run import QUICK

import keras_css_cli
from keras_css_cli.command import run_command

FLAGS = absl_flags.FLAGS
ABSL = set(FLAGS)
# How the lines begin that commands write on standard error; the last one is
# what they tell of the data where standard output is JSON.
OWN_LINES = ("error: ", "interrupted: ", "stopped", "no test part: ")
QUIETING = ("TF_CPP_MIN_LOG_LEVEL", "KERAS_CSS_LOG_LEVEL", "PYTHONWARNINGS")
ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def command():
    """Returns `command("scripts/train.py", *flags, cwd=...)`."""

    def run(script, *flags, cwd):
        done = subprocess.run(
            [sys.executable, str(ROOT / script), *map(str, flags)],
            cwd=cwd,
            env={
                **as_a_user_has_it(),
                **EXACTLY,
                "KERAS_BACKEND": keras.backend.backend(),
                # They train for hundreds of steps: optimised ones pay.
                "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        # What a library says while it starts or ends is not ours to show.
        lines = done.stderr.splitlines()
        if done.returncode == 0 and "--json" not in flags:
            assert lines == []
        assert all(line.startswith(OWN_LINES) for line in lines), lines
        return done

    return run


def as_a_user_has_it():
    """Returns the environment without what quiets libraries here."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in QUIETING
    }


@pytest.fixture(scope="session")
def trained(command, tmp_path_factory):
    """A short but complete run, and what the command printed.

    Not to be changed: processes of one call of pytest share it.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    place, said = shared / "trained", shared / "trained.txt"
    with FileLock(shared / "trained.lock"):
        if not said.exists():
            place.mkdir()
            done = command("scripts/train.py", *QUICK, cwd=place)
            assert done.returncode == 0, done.stderr
            said.write_text(done.stdout)
    return place, said.read_text()


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


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Returns `call(command, *flags)`: runs it in an empty folder, in process.

    What it returns is the exit code, standard output and standard error.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")

    def run(command, *flags):
        # Two commands have flags of the same name: each begins without any.
        for name in [name for name in FLAGS if name not in ABSL]:
            delattr(FLAGS, name)
        FLAGS.unparse_flags()
        for name in [n for n in sys.modules if n.startswith("keras_css_cli.")]:
            if name != "keras_css_cli.command":
                del sys.modules[name]
                delattr(keras_css_cli, name.rpartition(".")[2])
        code = run_command(command, [command, *map(str, flags)], command)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
