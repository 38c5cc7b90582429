"""Commands show their own lines, and none of a library's.

The fixture `command` looks at standard error of each: here are those that no
other journey starts as a process of its own.
"""

import importlib.util

import keras
import pytest


@pytest.mark.once
@pytest.mark.parametrize(
    ("script", "flags", "shown"),
    [
        ("scripts/models.py", ["resnet8"], "resnet8"),
        ("scripts/data.py", ["summary", "--dataset", "digits"], "10 classes"),
    ],
)
def test_a_command_that_only_looks(script, flags, shown, command, tmp_path):
    backend = keras.backend.backend()
    done = command(script, *flags, "--backend", backend, cwd=tmp_path)
    assert (done.returncode, shown in done.stdout) == (0, True), done.stdout


@pytest.mark.once
@pytest.mark.several
def test_another_backend_than_the_environments(command, tmp_path):
    own = keras.backend.backend()
    others = [
        name
        for name in ("torch", "jax", "tensorflow")
        if name != own and importlib.util.find_spec(name)
    ]
    done = command(
        *("scripts/train.py", "--backend", others[0], "--dataset", "digits"),
        *("--method", "independent", "--network_a", "resnet8"),
        *("--network_b", "none", "--steps", "2", "--per_class", "20"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
