"""Which images prove what a run ships, where its folder has changed since."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from keras_css import UserError
from keras_css.data import load_dataset
from keras_css.deploy.run_data import data_of_run
from keras_css.runs.train import describe_data

pytestmark = pytest.mark.once


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype="uint8")).save(path)


@pytest.fixture(params=["dealt out", "test folder"])
def photos(request, tmp_path):
    """Twenty pictures of two classes, or as many and a test part."""
    parts = {"dealt out": [""], "test folder": ["train", "test"]}
    for i, part in enumerate(parts[request.param]):
        for j in range(20):
            name = f"{'ab'[j % 2]}/{j}.png"
            picture(tmp_path / "photos" / part / name, 100 * i + j)
    return tmp_path / "photos", parts[request.param][0]


def load(place):
    return load_dataset(
        "folder", str(place), lambda line: None, on_bad_image="skip"
    )


def test_one_new_photo_is_said_and_blocks_nothing(photos):
    place, training = photos
    before = describe_data(load(place))
    lines = []
    found = data_of_run(before, load(place), lines.append)
    assert (list(found.same), found.changed) == (["validation", "test"], {})
    assert lines == [] and found.about == {}
    # Before the others, whose numbers it shifts when they are dealt out.
    picture(place / training / "a" / "-new.png", 999)
    found = data_of_run(before, load(place), lines.append)
    (line,) = lines
    assert "training images then, " in found.about["data_changed"]
    assert found.about["data_changed"] in line
    # What has a folder of its own is the run's as before.
    assert ("test" in found.same) == bool(training)
    assert ("test_now" in found.changed) == (not training)
    assert "validation_now" in found.changed
    assert "the run may have trained on some of these images" in line


def test_parts_that_nothing_touched_are_the_runs(photos):
    place, _ = photos
    before = describe_data(load(place))
    content = {**before["content"], "train": "another"}
    lines = []
    found = data_of_run(
        {**before, "content": content}, load(place), lines.append
    )
    assert (list(found.same), found.changed) == (["validation", "test"], {})
    assert found.about == {"data_changed": "as many images, but others"}
    assert "validation images of the run, which are there as" in lines[0]


def test_as_many_images_but_others(photos):
    place, training = photos
    before = describe_data(load(place))
    for path in sorted(pathlib.Path(place / training).rglob("*.png")):
        picture(path, 1000 + int(path.stem))
    found = data_of_run(before, load(place), lambda line: None)
    assert found.about == {"data_changed": "as many images, but others"}
    assert "validation_now" in found.changed


def test_other_classes_and_other_shapes(photos):
    place, training = photos
    before = describe_data(load(place))
    for i in range(6):
        picture(place / training / "c" / f"{i}.png", 2000 + i)
    lines = []
    found = data_of_run(before, load(place), lines.append)
    assert (found.same, found.changed) == ({}, {})
    assert len(found.images) > 0
    assert "2 classes then, 3 now" in lines[0]
    with pytest.raises(UserError, match="image_shape was"):
        data_of_run({**before, "image_shape": [9, 9, 3]}, load(place), print)


def test_a_broken_new_photo_is_left_out(photos):
    place, training = photos
    before = describe_data(load(place))
    (place / training / "a" / "broken.png").write_bytes(b"no picture")
    found = data_of_run(before, load(place), lambda line: None)
    assert {*found.same, *found.changed} & {"validation", "validation_now"}
