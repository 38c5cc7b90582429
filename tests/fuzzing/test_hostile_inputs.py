"""Whatever a file holds: read, or refused in one line.

A valid folder is made for each reader; hypothesis spoils a file or two of it.
For an hour instead of a minute: `--hypothesis-profile campaign`.
"""

import functools
import json
import os
import pathlib
import resource
import signal
import tarfile
import tempfile
import traceback
import zipfile

import damage
import hypothesis
import keras
import numpy as np
import onnx
import onnx.parser
import pytest
import trees
from hypothesis import strategies as st
from npz_file import npz
from PIL import Image

from keras_css.data import load_dataset
from keras_css.data.layouts import read_layout
from keras_css.runs.config import RunConfig
from keras_css.runs.folder import RunFolder
from keras_css.runs.history import read_history
from keras_css.untrusted.archives import unpack
from keras_css.untrusted.keras_files import load_keras
from keras_css_runtime.classifier import OnnxClassifier
from keras_css_runtime.errors import UserError
from keras_css_runtime.pictures import to_array

pytestmark = pytest.mark.once
HANG_SECONDS = 10
MOST_MEGABYTES = 500
# Of a profile's inputs; one of these takes longer than the others.
SHARES = {"keras": 0.3}
STUDENT = """<ir_version: 9, opset_import: ["" : 18]>
student (uint8[batch, 4, 4, 1] image) => (float[batch, 2] logits)
<float[16, 2] w = {ZEROS}> {
    x = Cast <to = 1> (image)
    flat = Flatten <axis = 1> (x)
    logits = MatMul (flat, w)
}""".replace("ZEROS", ",".join("0" * 32))
METADATA = {
    **{"class_names": '["ant", "bee"]', "image_shape": "[4, 4, 1]"},
    **{"input": "uint8", "output": "logits", "crop_fraction": "0.9"},
    "preprocessing": '{"scale": [1.0], "offset": [0.0]}',
}


class Hang(BaseException):
    """An input took too long; no `except Exception` may swallow that."""


def interrupt(number, frame):
    raise Hang


def watch(read, *arguments):
    """Reads or refuses; any other end is an error."""
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read(*arguments)
    except UserError as error:
        text = "".join(traceback.format_exception(error))
        assert "MemoryError" not in text, f"refused too late: {text}"
        assert str(error).isprintable() and len(str(error)) < 4000, text
    except OSError as error:
        # The command layer says these in one line.
        if not error.strerror:
            raise AssertionError("not a line") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    # An input that stays below an earlier one's peak counts as no growth.
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MOST_MEGABYTES * 1024, f"{grown} kB more"


def silent(line):
    """Takes a line for the user, and keeps it from them."""


def pictures(folder):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), "uint8")
    for ending in ("png", "bmp", "gif", "jpg", "webp", "tif"):
        Image.fromarray(pixels).save(folder / f"a.{ending}")


def read_pictures(folder):
    for path in folder.iterdir():
        watch(to_array, path, (8, 8, 3), 0.9, (0, 0, 5, 5))
        watch(to_array, path.read_bytes(), (4, 4, 1))


def archives(folder):
    (folder / "1.txt").write_text("text\n")
    with zipfile.ZipFile(folder / "a.zip", "w") as file:
        file.write(folder / "1.txt", "a/1.txt")
    with tarfile.open(folder / "b.tar", "w") as file:
        file.add(folder / "1.txt", "a/1.txt")


def read_archives(folder):
    before = set(folder.parent.iterdir())
    for archive in (folder / "a.zip", folder / "b.tar"):
        watch(unpack, archive, silent)
    assert set(folder.parent.iterdir()) == before, "unpacked outside"
    inside = os.path.realpath(folder)
    for path in folder.rglob("*"):
        place = os.path.realpath(path)
        assert os.path.commonpath((place, inside)) == inside, path


def student(folder):
    proto = onnx.parser.parse_model(STUDENT)
    for key, value in METADATA.items():
        proto.metadata_props.add(key=key, value=value)
    onnx.save(proto, folder / "student.onnx")


def read_student(folder):
    classifier = OnnxClassifier(folder / "student.onnx", threads=1)
    classifier(np.zeros((2, 9, 7, 3), "uint8"))


def model(folder):
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(3, 3, activation="relu")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(image, keras.layers.Dense(2)(x)).save(folder / "a.keras")


def run(folder):
    settings = RunConfig(epochs=3).complete(digits()).to_json()
    (folder / "config.json").write_text(json.dumps(settings))
    lines = "epoch,seconds,learning_rate,loss\n1,1.5,0.1,0.5\n"
    (folder / "history.csv").write_text(lines)


def read_run(folder):
    """Each file by itself, so that both are read."""
    watch(read_history, folder / "history.csv")
    settings = RunFolder(folder).read_json(folder / "config.json")
    RunConfig.from_json(settings).complete(digits()).to_json()


@functools.cache
def digits():
    return load_dataset("digits", say=silent)


def load(name, place=""):
    """Returns what reads a data set in a folder."""
    return lambda folder: load_dataset(
        name, folder / place, say=silent, on_bad_image="skip"
    )


ROWS = [(f"{i}.png", "ab"[i % 2], "train") for i in range(6)]
COUNTS = {"train": 3, "test": 1}
# How a valid folder is made, and what reads it.
READERS = {
    "npz": (lambda folder: npz(folder / "a.npz"), load("npz", "a.npz")),
    "cifar": (trees.cifar100, read_layout),
    "dogs": (trees.stanford_dogs, read_layout),
    "cars": (trees.stanford_cars, read_layout),
    "cub": (trees.cub, load("cub200")),
    "csv": (lambda f: trees.csv_list(f, ROWS), load("csv", "list.csv")),
    "folders": (lambda f: trees.class_folders(f, COUNTS), load("folder")),
    "pictures": (pictures, read_pictures),
    "archives": (archives, read_archives),
    "onnx": (student, read_student),
    "keras": (model, lambda folder: load_keras(folder / "a.keras")),
    "run": (run, read_run),
}


@pytest.mark.parametrize("name", READERS)
def test_a_hostile_input_is_read_or_refused_in_one_line(name, tmp_path):
    make, read = READERS[name]
    make(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    # Lists before the many pictures that they name.
    files.sort(key=lambda path: (path.suffix in (".jpg", ".png"), path))
    valid = {str(p.relative_to(tmp_path)): p.read_bytes() for p in files}
    read(tmp_path)
    count = SHARES.get(name, 1) * hypothesis.settings.default.max_examples

    @hypothesis.settings(max_examples=round(count))
    @hypothesis.given(st.data())
    def holds(data):
        spoilt = dict(valid)
        for path in data.draw(st.lists(st.sampled_from([*valid]), max_size=2)):
            spoilt[path] = data.draw(damage.damaged_file(path, valid[path]))
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place) / "folder"
            for path, content in spoilt.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)
            watch(read, folder)

    holds()
