"""The page of a run: whole for any classes, and nothing in it is markup."""

import base64
import html.parser
import io
import json
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from keras_css.data import Split
from keras_css.evaluation.agreement import pairwise_agreement
from keras_css.evaluation.answers import describe_answers
from keras_css.evaluation.calibration import describe_calibration
from keras_css.report import Contents
from keras_css.report import make_thumbnails
from keras_css.report import page
from keras_css.report.thumbnails import thumbnail
from keras_css.runs.folder import RunFolder
from keras_css.runs.report import write_report

pytestmark = pytest.mark.once
EVIL = "<script>alert('x')</script><img src=x onerror=\"y\">&amp;{{ 7 * 7 }}"
BEST, OTHER = "network_a/branch_0", "network_a/branch_1"
# All that a page may hold: no script, nothing that is fetched.
TAGS = {
    *("html", "head", "meta", "link", "title", "style", "body", "header"),
    *("nav", "main", "section", "h1", "h2", "h3", "p", "a", "ul", "li", "dl"),
    *("dt", "dd", "pre", "code", "table", "thead", "tbody", "tr", "th", "td"),
    *("div", "span", "i", "b", "br", "bdi", "abbr", "strong", "small", "img"),
    *("figure", "figcaption", "details", "summary"),
    *("svg", "g", "defs", "path", "use", "text", "rect", "clippath"),
}


class Page(html.parser.HTMLParser):
    """Collects tags, attributes and text of a page; each tag must be closed."""

    VOID = {"meta", "link", "img", "br"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], ""
        self.open = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def noise(classes, side=96, images=None):
    """Returns a test part of pictures that compress badly."""
    count = images or 3 * classes
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, side, side, 3), dtype="uint8")
    names = np.array([f"folder/{row}.jpg" for row in range(count)], object)
    return Split(pixels, np.arange(count, dtype="int32") % classes, names)


def contents(names, test, answers=True, epochs=12, **others):
    """Returns the files of a made-up run of two students."""
    rng = np.random.default_rng(1)
    logits = {
        name: rng.normal(0, 2, (len(test), len(names)))
        + 3 * np.eye(len(names))[test.labels]
        for name in (BEST, OTHER)
    }
    found = describe_answers(
        logits[BEST], test.labels, len(names), [test.name(0)] * len(test)
    )
    found["classes"]["training_images"] = [9] * (len(names) - 1) + [40]
    found["calibration"] = describe_calibration(logits[BEST], test.labels, 1.5)
    found["student"] = BEST
    accuracy = {BEST: found["accuracy"], OTHER: 0.25}
    row = {f"val_{name}/accuracy": 0.5 for name in accuracy}
    row |= {"seconds": 1.5, "learning_rate": 0.1, "loss": 2.0, "val_loss": 1.5}
    row |= {"network_a/ce": 1.25, "network_a/kd": 0.0075}
    agreement = pairwise_agreement(logits, test.labels)
    result = {
        **{"method": "css", "dataset": "folder", "backend": "jax"},
        **{"class_names": list(names), "best_student": BEST, "epochs": epochs},
        **{"validation": accuracy, "test": accuracy},
        "calibration_error": {BEST: 0.1, OTHER: 0.2},
        "parameters": {"network_a": 272000},
        "student_parameters": {BEST: 272000, OTHER: 272000},
        "diversity": {"fair_all": 0.573506384453952, "fair_mutual": None},
        "most_accurate": {"student": BEST, "ahead": 0.0, "noise": 0.01},
        "selected_epoch": {
            **{"epoch": epochs, "validation": accuracy, "test": accuracy}
        },
        "seconds": {"total": 4000.0},
    }
    stored = {
        "config": {
            **{"method": "css", "method_options": {"variant": "main_branch"}},
            **{"dataset": "folder", "data_dir": "my photos", "epochs": epochs},
            **{"weights_a": None, "nesterov": False},
        },
        "backend": "jax",
        "data": {
            "class_names": list(names),
            "image_shape": list(test.images.shape[1:]),
            **{"training_images": 100, "validation_images": 20},
            "test_images": len(test),
        },
        "data_notes": {
            "where": "folders photos",
            "left_out": ["no test part: 9 training images are kept for it"],
            "skipped": [f"'{n}.jpg' must be a picture" for n in range(12)],
        },
    }
    return Contents(
        path=pathlib.Path("runs/1"),
        result=result,
        stored=stored,
        rows=[{"epoch": n + 1, **row} for n in range(epochs)],
        answers=found if answers else None,
        agreement=agreement,
        thumbnails=make_thumbnails(test, found) if answers else None,
        **others,
    )


def parsed(text):
    found = Page(text)
    assert found.tags <= TAGS
    for name, value in found.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:", "#"))
    assert "None" not in found.text and "{'" not in found.text
    assert not re.search(r"\d\.\d{7}", found.text), "numbers are rounded"
    assert "$\\" not in found.text, "no formulas of a chart's axes"
    return found


LONG = [f"{'Gewöhnlicher Löwenzahn ' * 3}{i} in voller Blüte" for i in range(2)]
SCRIPTS = ["猫", "σκύλος", "كلب", "ปลา", "🦊", "e\u0301te\u0301"]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["ant", "bee"], id="two"),
        pytest.param([n[:80] for n in LONG], id="long"),
        pytest.param(SCRIPTS, id="scripts"),
        pytest.param([f"class {i}" for i in range(200)], id="200 classes"),
    ],
)
def test_whole_for_any_classes(names):
    text = page(contents(names, noise(len(names))))
    assert len(text.encode()) < 2_000_000
    found = parsed(text)
    for name in names:
        assert name in found.text
    assert "272,000 parameters" in " ".join(found.text.split())
    assert "± " in found.text
    matrix = ("aria-label", "Confusion matrix") in found.attributes
    short = max(map(len, names)) <= 4
    numbered = "by the numbers of the rows" in found.text
    assert numbered == (matrix and not short)
    assert matrix == (len(names) <= 30)
    assert f"unbalanced: 40 training pictures of {names[-1]}" in found.text
    assert "skipped: 2 more" in found.text
    assert "keras-css to_onnx --run_dir runs/1" in found.text
    assert "--data_dir 'my photos' --methods independent,css" in found.text


def test_many_epochs_and_pictures_stay_small():
    names = [f"class {i}" for i in range(1000)]
    text = page(contents(names, noise(1000, 33, 1000), epochs=2000))
    assert len(text.encode()) < 2_000_000
    parsed(text)


def test_a_run_of_before_has_a_page_too():
    """Without answers, pictures and agreement, after no epoch of its own."""
    before = contents(["ant", "bee"], noise(2), answers=False, epochs=1)
    found = parsed(page(before))
    assert "of 6 test pictures right" in found.text
    assert "Mistakes" not in found.text


def test_names_of_files_and_classes_stay_text():
    test = noise(2)
    test.names[0] = f"{EVIL}.jpg"
    given = contents([EVIL, "$x_1$ ant"], test)
    given.stored["data_notes"]["where"] = f"folders /photos/{EVIL}"
    given.stored["config"][EVIL] = [EVIL, {EVIL: EVIL}]
    given.result["dataset"] = EVIL
    found = parsed(page(given))
    assert found.text.count(EVIL) > 10
    assert f"{EVIL}.jpg" in found.text
    assert "$x_1$ ant" in found.text


def test_files_and_their_speed_are_told_once_they_are_there():
    export = {
        **{"student": BEST, "precision": "fp32", "bytes": 1_100_000},
        **{"accuracy": {"test": 0.5}, "proof": {"largest_difference": 3e-6}},
    }
    speed = {"p50_ms": 1.634, "p90_ms": 2.0, "images_per_second": 612.3}
    point = {"student": BEST, "precision": "fp32", "ms_per_image": 1.6}
    benchmark = {
        "batches": [{"batch_size": 1, "file": speed}],
        "students_of_the_run": [{**point, "accuracy": 0.5}] * 2,
    }
    given = contents(
        ["ant", "bee"],
        noise(2),
        exports={"student.onnx": export},
        benchmarks={"student.onnx": benchmark},
    )
    words = " ".join(parsed(page(given)).text.replace("\u00a0", " ").split())
    for told in ("1.1 MB as a file", "1.6 ms a picture", "612", "3e-06"):
        assert told in words
    assert "to_onnx" not in words and "keras-css benchmark" not in words
    assert "keras-css predict runs/1/student.onnx" in words


def test_thumbnails_are_pixels_alone():
    """Of grey, coloured and other images, small and large, no metadata."""
    rng = np.random.default_rng(0)
    for side, channels, kind in (
        (8, 1, "png"),
        (90, 3, "jpeg"),
        (40, 4, "jpeg"),
    ):
        pixels = rng.integers(0, 256, (side, side, channels), dtype="uint8")
        head, _, text = thumbnail(pixels).partition(",")
        assert head == f"data:image/{kind};base64"
        with Image.open(io.BytesIO(base64.b64decode(text))) as image:
            assert max(image.size) == min(side, 64)
            assert not image.getexif()
            told = {*image.info} - {"jfif", "jfif_version", "jfif_unit"}
            assert told <= {"jfif_density"}
            if kind == "png":
                np.testing.assert_array_equal(image, pixels[..., 0])


def test_what_is_damaged_is_left_out_and_what_is_missing_is_said(tmp_path):
    given, said = contents(["ant", "bee"], noise(2)), []
    folder = RunFolder(tmp_path)
    folder.config.write_text(json.dumps(given.stored))
    folder.agreement.write_text('{"students": 3}')
    folder.thumbnails.write_text("[")
    (tmp_path / "a.onnx").write_bytes(b"")
    (tmp_path / "a.json").write_text('{"bytes": "many"}')
    result = {**given.result, "answers": given.answers}
    write_report(folder, said.append, result)
    assert said == []
    assert "Mistakes" in parsed(folder.report.read_text("utf-8")).text
    result["answers"]["calibration"] = None
    write_report(folder, said.append, result)
    assert "Mistakes" not in parsed(folder.report.read_text("utf-8")).text
    folder.report.unlink()
    write_report(folder, said.append, {})
    assert "no report is written: '" in said.pop()
    assert not folder.report.exists()
