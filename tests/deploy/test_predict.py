"""predict as a user types it: broken pictures, CSV, pipes, addresses."""

import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_css_runtime.__main__ import run

pytestmark = pytest.mark.once
# What the command itself needs, not the one that runs the tests.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}


@pytest.fixture
def predict(exported, tmp_path):
    """Returns `predict(*arguments)`: the finished process."""

    def run(*arguments):
        return subprocess.run(
            [*COMMAND, "predict", str(exported[1]), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )

    return run


COMMAND = [sys.executable, "-m", "keras_css_cli"]


@pytest.fixture
def folder(tmp_path):
    """Five pictures, the third one broken."""
    rng = np.random.default_rng(0)
    place = tmp_path / "PICTURES"
    place.mkdir()
    for name in "abcde":
        image = rng.integers(0, 256, (9, 9, 3), dtype="uint8")
        Image.fromarray(image).save(place / f"{name}.png")
    (place / "c.png").write_bytes(b"no picture")
    return place


def test_a_broken_picture_stops_no_other(predict, folder):
    done = predict("PICTURES", "--batch_size", "2")
    assert done.returncode == 1
    named = [line.split()[0] for line in done.stdout.splitlines()]
    assert named == [f"PICTURES/{n}.png" for n in "abde"]
    skipped, error = done.stderr.splitlines()
    assert skipped.startswith("skipped: 'PICTURES/c.png' must be a picture")
    assert error == "error: 1 of 5 pictures could not be read."
    (folder / "c.png").unlink()
    assert predict("PICTURES").returncode == 0


def test_json_and_csv_say_the_same(predict, folder):
    done = predict("PICTURES", "--json")
    assert done.returncode == 1
    entries = json.loads(done.stdout)
    table = predict("PICTURES", "--csv")
    assert table.returncode == 1
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert len(rows) == len(entries) == 5
    for entry, row in zip(entries, rows):
        assert entry["picture"] == row["picture"]
        assert entry.get("error", "") == row["error"]
        if "error" in entry:
            assert entry["class"] is None and row["class"] == ""
            continue
        assert entry["class"] == row["class"]
        for name, p in entry["probabilities"].items():
            assert float(row[f"p({name})"]) == pytest.approx(p, abs=1e-5)
    assert "error" in entries[2]
    both = predict("PICTURES", "--csv", "--json")
    assert both.returncode == 2
    assert "received both" in both.stderr


def test_the_command_of_the_runtime_says_the_same(predict, folder, exported):
    whole = predict("PICTURES", "--json")
    alone = subprocess.run(
        [
            *(sys.executable, "-m", "keras_css_runtime", str(exported[1])),
            *("PICTURES", "--json"),
        ],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == whole.returncode == 1
    assert alone.stdout == whole.stdout and alone.stderr == whole.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.onnx", "a.png"], "must be an ONNX file, but there is none"),
        (["student.onnx"], "PICTURES (keras-css-predict --help lists"),
        (["x", "a.png", "--top", "0"], "--top must be a whole number from 1"),
        (["x", "a.png", "--json", "--csv"], "not allowed with"),
        (["x", "a.png", "--unsure_below", "80"], "a number from 0 to 1"),
        (["x" * 9000, "a.png"], "File name too long"),
    ],
)
def test_the_command_of_the_runtime_refuses_in_one_line(
    arguments, said, capsys
):
    assert run(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line
    assert len(line) < 3000


def test_what_is_below_the_threshold_is_unsure(exported, folder, capsys):
    (folder / "c.png").unlink()

    def said(*flags):
        assert run([str(exported[1]), str(folder), *flags]) == 0
        return capsys.readouterr().out

    shown = said().splitlines()
    sure = [float(line.split()[-1]) for line in shown]
    flags = ("--unsure_below", f"{(min(sure) + max(sure)) / 2:.6f}")
    unsure = [p < float(flags[1]) for p in sure]
    assert any(unsure) and not all(unsure), "too alike to tell"
    found = said(*flags).splitlines()
    assert ["  unsure  " in line for line in found] == unsure
    assert [line.replace("  unsure", "") for line in found] == shown
    rows = csv.DictReader(io.StringIO(said("--csv", *flags)))
    assert [row["unsure"] == "true" for row in rows] == unsure
    entries = json.loads(said("--json", *flags))
    assert [entry["unsure"] for entry in entries] == unsure


def test_nothing_that_can_be_read_is_a_wrong_argument(predict, folder):
    for name in "abde":
        (folder / f"{name}.png").write_bytes(b"")
    done = predict("PICTURES")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "And 4 more such." in done.stderr
    assert predict("PICTURES/a.png").stderr.startswith("error: 'PICTURES/a.")


@pytest.mark.parametrize("url", ["https://x.org/a.jpg", "s3://bucket/a.png"])
def test_an_address_is_refused_as_one(predict, url):
    done = predict(url)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == (
        f"error: '{url}' must be a picture or a folder on this machine, "
        "received a URL: download it first."
    )
    done = subprocess.run(
        [*COMMAND, "predict", url, "a.png"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"'{url}' must be an ONNX file on this machine" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["predict"]]
)
def test_a_reader_that_leaves_is_no_disk_error(
    exported, folder, arguments, unbuffered
):
    """As `| head -1` does; was "The disk must be readable and writable"."""
    (folder / "c.png").unlink()
    if arguments == ["predict"]:
        arguments = ["predict", exported[1], "PICTURES", "--csv"]
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered},
    )
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait() == 141, said
    assert said == ""
    process.stderr.close()
