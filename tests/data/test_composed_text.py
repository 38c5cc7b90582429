"""An é of one character and one of two are the same letter; paths stay."""

import csv
import types
import unicodedata

import numpy as np
import pytest
import trees

from keras_css import UserError
from keras_css.data import DataRequest
from keras_css.data import load_dataset
from keras_css.data.layouts import read_layout
from keras_css.data.summary import summary_lines
from keras_css.deploy.export import _class_names
from keras_css.deploy.run_data import data_of_run
from keras_css.registry import Registry
from keras_css.runs.train import check_same_data
from keras_css.runs.train import describe_data
from keras_css_runtime.errors import unknown_name

pytestmark = pytest.mark.once
ONE = unicodedata.normalize("NFC", "café")
TWO = unicodedata.normalize("NFD", "café")


def test_a_label_written_in_two_ways_is_one_class(tmp_path):
    rows = [
        (f"{i}.png", (ONE, TWO, "tea", "tea")[i % 4], part)
        for i, part in enumerate(["train"] * 8 + ["val"] * 4 + ["test"] * 4)
    ]
    found = read_layout(trees.csv_list(tmp_path, rows))
    assert found.class_names == (ONE, "tea")
    assert found.parts["train"].labels.tolist() == [0, 0, 1, 1] * 2


def test_a_path_is_found_however_the_disk_writes_it(tmp_path):
    for i in range(4):
        trees.picture(tmp_path / TWO / f"{TWO} {i}.png", i)
    # A folder in both forms: what a list says exactly is taken.
    trees.picture(tmp_path / ONE / f"{ONE} 9.png", 9)
    with open(tmp_path / "list.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [
                ("path", "label"),
                *((f"{TWO}/{ONE} {i}.png", "ab"[i % 2]) for i in range(4)),
                (f"{ONE}/{ONE} 9.png", "a"),
            ]
        )
    found = read_layout(tmp_path / "list.csv")
    assert found.faults == ()
    assert found.parts["train"].images.sources == [
        *(str(tmp_path / TWO / f"{TWO} {i}.png") for i in range(4)),
        str(tmp_path / ONE / f"{ONE} 9.png"),
    ]


def test_folders_of_one_name_are_one_class_with_a_line(tmp_path):
    seeds = iter(range(100))
    for part, name in (
        *(("train", ONE), ("train", TWO), ("train", "tea")),
        *(("val", TWO), ("val", "tea"), ("test", ONE), ("test", "tea")),
    ):
        for i in range(2):
            picture = tmp_path / part / name / f"{name} {i}.png"
            trees.picture(picture, next(seeds))
    if len(list((tmp_path / "train").iterdir())) == 2:
        pytest.skip("this disk writes both forms alike")
    lines = []
    data = load_dataset("folder", tmp_path, lines.append)
    assert data.class_names == (ONE, "tea")
    assert data.train.labels.tolist() == [0] * 4 + [1] * 2
    assert data.validation.labels.tolist() == [0, 0, 1, 1]
    (line,) = [line for line in lines if "one class" in line]
    assert line.startswith("2 folders") and ONE in line
    assert line in data.about["left_out"]
    assert line in summary_lines(DataRequest("folder", str(tmp_path)))
    pictures = read_layout(tmp_path).parts["train"].images.sources
    assert str(tmp_path / "train" / TWO / f"{TWO} 0.png") in pictures


def test_an_arrays_file_may_not_name_a_class_in_both_forms(tmp_path):
    path = tmp_path / "images.npz"
    draw = np.random.default_rng(0).integers
    np.savez(
        path,
        classes=[ONE, TWO, "tea"],
        x_train=draw(0, 9, (30, 8, 8, 1), "uint8"),
        y_train=np.arange(30) % 3,
        x_test=draw(0, 9, (9, 8, 8, 1), "uint8"),
        y_test=np.arange(9) % 3,
    )
    with pytest.raises(UserError, match="more than once"):
        load_dataset("npz", path, lambda line: None)


def test_a_file_to_ship_may_not_either():
    student = types.SimpleNamespace(outputs=[np.zeros((1, 2))])
    assert _class_names(student, [TWO, "tea"]) == [ONE, "tea"]
    with pytest.raises(UserError, match="2 different names"):
        _class_names(student, [ONE, TWO])


def test_a_run_knows_its_classes_however_they_were_written():
    data = load_dataset("digits", say=lambda line: None)
    names = (TWO, *data.class_names[1:])
    stored = {"data": {**describe_data(data), "class_names": list(names)}}
    with pytest.raises(UserError, match="class_names"):
        check_same_data(stored, data)
    object.__setattr__(data, "class_names", (ONE, *data.class_names[1:]))
    check_same_data(stored, data)
    found = data_of_run(stored["data"], data, say=lambda line: None)
    assert set(found.same) == {"validation", "test"}
    assert found.about == {}


def test_a_registered_name_is_found_in_either_form():
    methods = Registry("method", {TWO: "theirs"})
    assert methods.get(ONE) == methods.get(TWO) == "theirs"
    assert ONE in methods and TWO in methods
    with pytest.raises(UserError, match="taken"):
        methods.add(ONE, "other")
    text = str(unknown_name("method", f"{TWO}s", [ONE]))
    assert f"did you mean {ONE}?" in text
