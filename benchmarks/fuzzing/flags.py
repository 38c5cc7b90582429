"""Hostile values of every flag of the commands, up to where training begins.

Nothing trains: what passes all checks of settings and data counts as accepted.
`models` is left out, whose sizes are what the user asks it to compute.
"""

import contextlib
import functools
import importlib
import io
import json
import os
import sys

import numpy as np
from absl import flags as absl_flags

import keras_css_cli
from fuzzing.models import METADATA
from fuzzing.models import _proto
from fuzzing.mutations import NUMBERS
from fuzzing.mutations import TEXTS
from fuzzing.reader import Reader
from keras_css_cli.command import run_command
from keras_css_runtime.errors import UserError

FLAGS = absl_flags.FLAGS
NOT_OURS = set(FLAGS)
NPZ = ("--dataset=npz", "--data_dir=set.npz")
COMMANDS = {
    "train": NPZ,
    "compare": ("--out_dir=out", *NPZ[1:], "--dataset=npz", "--seeds=0"),
    "data": ("summary", *NPZ),
    "to_onnx": ("--run_dir=run",),
    "evaluate": ("--run_dir=run",),
    "benchmark": ("student.onnx", "--seconds=0.001", "--batch_sizes=1"),
    "predict": ("student.onnx", "picture.png"),
}
# Where the trainings of a command would begin.
BEGINS = {
    "keras_css.runs.train": "build_distiller",
    "keras_css.comparison.compare": "run_cells",
}
LEGAL_SECONDS = ("1", "1_0", "2", "3", "255", "0.5", "\u0663")
# What looks right, and is so for some flag.
PLAUSIBLE = (
    *("digits", "folder", "npz", "csv", "css", "dml", "resnet8", "model:x"),
    *("model:", "model:@", "applications:", "applications:X@y", ":", "@"),
    *("tfds:", "1", "2", "0.5", "1e-9", "64x", "x64", "1x1x1", "8x8", "a=b"),
    *("temperature=nan", "variant=released", "temperature=[[[[[[", "=1"),
    *("css:variant=x", "css:", "css:=", "digits=", "=x", "student.onnx"),
    *("set.npz", "run", ".", "picture.png", "uint8", "int8", "all", "best"),
)


class _ReachedError(BaseException):
    """Training would begin now."""


def _reached(*arguments, **options):
    raise _ReachedError


@contextlib.contextmanager
def _nothing_begins():
    """While it lasts, what a command does after its checks ends it instead."""
    with contextlib.ExitStack() as stack:
        # Functions of the packages hide the modules of their names.
        for name, begins in BEGINS.items():
            module = importlib.import_module(name)
            stack.callback(setattr, module, begins, getattr(module, begins))
            setattr(module, begins, _reached)
        yield


@functools.cache
def _names():
    """Returns dict from command to the names of its flags."""
    found = {}
    for command in COMMANDS:
        _forget_flags()
        module = importlib.import_module(f"keras_css_cli.{command}")
        modules = (module, *getattr(module, "SHARED_FLAGS", ()))
        found[command] = sorted(
            flag.name
            for m in modules
            for flag in FLAGS.get_key_flags_for_module(m)
        )
    return found


def _forget_flags():
    """Commands have flags of the same names: each begins without any."""
    for name in [name for name in FLAGS if name not in NOT_OURS]:
        delattr(FLAGS, name)
    FLAGS.unparse_flags()
    for name in [n for n in sys.modules if n.startswith("keras_css_cli.")]:
        if name != "keras_css_cli.command":
            del sys.modules[name]
            delattr(keras_css_cli, name.rpartition(".")[2])


def _make(rng, folder):
    command = rng.choice(list(COMMANDS))
    words = list(COMMANDS[command])
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        value = rng.choice(
            (rng.choice(TEXTS), str(rng.choice(NUMBERS)), rng.choice(PLAUSIBLE))
        )
        # The system lets no argument hold a zero byte.
        value = value.replace("\0", "").replace("\ud800", "\udcff")
        name = rng.choice(_names()[command])
        if name == "seconds" and value in LEGAL_SECONDS:
            # It would measure for as long as it is told.
            value = "-1"
        forms = [f"--{name}={value}", value]
        if name != "seconds":
            forms.append(f"--{name}")
        words.append(rng.choice(forms))
        if rng.random() < 0.1:
            words.append(f"--no{name}")
    place = folder / "a" / "b"
    (place / "run").mkdir(parents=True)
    (place / "argv.json").write_text(json.dumps([command, *words]))
    pixels = np.arange(16 * 64 * 3, dtype="uint8").reshape(16, 8, 8, 3)
    labels = np.arange(16) % 2
    np.savez(
        place / "set.npz",
        **{"x_train": pixels, "y_train": labels},
        **{"x_test": pixels[:4] + 1, "y_test": labels[:4]},
    )
    (place / "picture.png").write_bytes(_picture())
    (place / "student.onnx").write_bytes(_student())


@functools.cache
def _picture():
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (9, 7)).save(file, "PNG")
    return file.getvalue()


@functools.cache
def _student():
    proto = type(_proto())()
    proto.CopyFrom(_proto())
    for key, value in METADATA.items():
        proto.metadata_props.add(key=key, value=value)
    return proto.SerializeToString()


def _read(folder):
    place = folder / "a" / "b"
    command, *words = json.loads((place / "argv.json").read_text())
    _forget_flags()
    # As the interpreter's own streams are.
    said, wrong = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", errors, newline="\n")
        for errors in ("strict", "backslashreplace")
    )
    before = os.getcwd()
    os.chdir(place)
    try:
        with (
            _nothing_begins(),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(wrong),
            contextlib.suppress(_ReachedError),
        ):
            code = run_command(command, [command, *words], command)
            wrong.seek(0)
            _check(code, wrong.read())
    finally:
        os.chdir(before)


def _check(code, text):
    lines = [line for line in text.split("\n") if line.startswith("error:")]
    if code not in (0, 1, 2):
        raise AssertionError(f"exit code {code}")
    if code and len(lines) != 1:
        raise AssertionError(f"exit code {code} with: {text[:500]}")
    if not all(line.isprintable() and len(line) < 4000 for line in lines):
        raise AssertionError(f"a line that cannot be shown: {text[:500]!r}")
    if code:
        raise UserError(lines[0])


READERS = [Reader("flags", _make, _read)]
