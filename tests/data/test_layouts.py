"""Every layout is found and read as its lists say."""

import os
import pickle

import numpy as np
import pytest
import trees
from npz_file import npz
from PIL import Image

from keras_css import UserError
from keras_css.data import load_dataset
from keras_css.data.layouts import read_layout

pytestmark = pytest.mark.once


def counts(found):
    return {part: len(split) for part, split in found.parts.items()}


def quietly(dataset, data_dir, **options):
    return load_dataset(dataset, data_dir, say=lambda line: None, **options)


def test_class_folders(tmp_path):
    root = trees.class_folders(tmp_path, {"train": 4, "valid": 2, "Testing": 3})
    (root / "train" / "ant" / "notes.txt").write_text("no picture")
    (root / "train" / "ant" / ".DS_Store").write_text("hidden")
    found = read_layout(root)
    assert found.class_names == trees.CLASSES
    assert counts(found) == {"train": 12, "validation": 6, "test": 9}
    assert found.ignored == 2
    data = quietly("folder", root)
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 6, 9)
    assert data.image_shape == (10, 12, 3), "all have one small size"
    with Image.open(root / "train" / "bee" / "0.png") as image:
        np.testing.assert_array_equal(data.train.images[4], np.asarray(image))


def test_flat_class_folders_with_other_letters(tmp_path):
    for i in range(10):
        trees.picture(tmp_path / "写真 ä" / f"bild {i} ü.png", i)
        trees.picture(tmp_path / "b" / "deeper" / f"{i}.png", 100 + i)
    data = quietly("folder", tmp_path, test_fraction=0.3)
    assert data.class_names == ("b", "写真 ä")
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 2, 6)
    other = quietly("folder", tmp_path, test_fraction=0.3, seed=1)
    np.testing.assert_array_equal(data.test.images, other.test.images)


def test_csv(tmp_path):
    rows = [(f"p/{i}.png", "ab"[i % 2], "train") for i in range(8)]
    rows += [(f"q {i}.png", "ab"[i % 2], "val") for i in range(8, 12)]
    rows += [(f"{i}.png", "ab"[i % 2], "TEST") for i in range(12, 18)]
    found = read_layout(trees.csv_list(tmp_path, rows))
    assert found.class_names == ("a", "b")
    assert counts(found) == {"train": 8, "validation": 4, "test": 6}
    assert found.parts["test"].labels.tolist() == [0, 1] * 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,class\n", "must name the columns"),
        ("", "must name the columns"),
        ("path,label\n1.png,a\n2.png\n", "Line 3"),
        ("path,label\n1.png,a, b\n", "Line 2"),
        ("path,label,split\n1.png,a,trian\n", "received 'trian'"),
        ("path,label\n1.png,\n", "Line 2"),
        ("path,label\n1.png,a\n", "at least two labels"),
        (
            "path,label,split\n1.png,a,train\n2.png,b,train\n3.png,c,test\n",
            "Line 4 of",
        ),
        ("path,label\n1.png,a\n../2.png,b\n", "must lie in"),
        ("path,label\n1.png,a\n2.png,b\n", "is missing"),
    ],
)
def test_a_bad_csv_gets_one_line(tmp_path, text, words):
    root = tmp_path / "root"
    trees.picture(root / "1.png", 0)
    trees.picture(tmp_path / "2.png", 0)
    (root / "list.csv").write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        quietly("csv", root / "list.csv")
    assert "\n" not in str(caught.value)


def test_cub(tmp_path):
    found = read_layout(trees.cub(tmp_path))
    assert found.class_names == ("Sooty Albatross", "Brewer Blackbird")
    assert counts(found) == {"train": 8, "test": 4}
    assert found.parts["train"].labels.tolist() == [0] * 4 + [1] * 4
    assert found.parts["test"].images.boxes[0].tolist() == [2, 3, 12, 11]
    data = quietly(
        "cub200",
        tmp_path,
        crop_to_box=True,
        box_margin=0,
        image_size=(8, 10),
        crop_fraction=1,
    )
    path = tmp_path / "CUB_200_2011/images/003.Sooty_Albatross/bird 4.jpg"
    with Image.open(path) as image:
        expected = np.asarray(image)[3:11, 2:12]
    np.testing.assert_array_equal(data.test.images[0], expected)


def test_a_damaged_list_gets_one_line(tmp_path):
    root = trees.cub(tmp_path) / "CUB_200_2011"
    lines = (root / "train_test_split.txt").read_text().splitlines()
    (root / "train_test_split.txt").write_text("\n".join(lines[:-1]))
    for boxes in (True, False):
        with pytest.raises(UserError, match="image 95 lacks one"):
            read_layout(root)
        if boxes:
            (root / "bounding_boxes.txt").unlink()
    (root / "train_test_split.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        read_layout(root)


def test_stanford_dogs(tmp_path):
    found = read_layout(trees.stanford_dogs(tmp_path))
    assert found.class_names == ("Maltese dog", "toy terrier")
    assert counts(found) == {"train": 6, "test": 4}
    assert found.parts["train"].labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert found.parts["train"].images.boxes[0].tolist() == [1, 2, 9, 8]
    (tmp_path / "lists" / "train_list.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(UserError, match="must be a MATLAB file"):
        read_layout(tmp_path)


def test_stanford_cars(tmp_path):
    found = read_layout(trees.stanford_cars(tmp_path / "a"))
    assert found.class_names == ("BMW", "Opel Blitz")
    assert counts(found) == {"train": 10, "test": 10}
    assert found.parts["train"].images.boxes[0].tolist() == [1, 1, 9, 9]
    alone = trees.stanford_cars(tmp_path / "b", test=False)
    assert counts(read_layout(alone)) == {"train": 10}
    data = quietly("stanford_cars", alone)
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 2, 2)


def test_cifar(tmp_path):
    data = quietly("cifar100", trees.cifar100(tmp_path))
    assert data.class_names == trees.CLASSES
    assert (len(data.train), len(data.validation), len(data.test)) == (9, 3, 6)
    batch = pickle.loads((tmp_path / "cifar-100-python/test").read_bytes())
    red = batch[b"data"][0][:1024].reshape(32, 32)
    np.testing.assert_array_equal(data.test.images[0, ..., 0], red)
    found = read_layout(trees.cifar10(tmp_path / "ten") / "cifar-10-batches-py")
    assert counts(found) == {"train": 100, "test": 20}
    assert len(found.class_names) == 10


class Evil:
    """What a pickle from the internet may hold."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    trap = tmp_path / "trap"
    root = trees.cifar100(tmp_path / "data", extra={b"x": Evil(trap)})
    with pytest.raises(UserError, match=r"mkdir, which is no array"):
        read_layout(root)
    assert not trap.exists()
    place = root / "cifar-100-python" / "train"
    place.write_bytes(place.read_bytes()[:100])
    with pytest.raises(UserError, match="damaged or another file"):
        read_layout(root)


def test_npz_with_a_validation_part(tmp_path):
    rng = np.random.default_rng(1)
    more = {
        "x_val": rng.integers(0, 255, (12, 8, 8, 3), "uint8"),
        "y_val": np.arange(12) % 4,
    }
    data = quietly("npz", npz(tmp_path / "a.npz", **more))
    assert (len(data.train), len(data.test)) == (40, 8)
    np.testing.assert_array_equal(data.validation.images, more["x_val"])


def test_what_is_no_layout_gets_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="in a layout that is known"):
        read_layout(tmp_path / "empty")
    with pytest.raises(UserError, match="which does not"):
        read_layout(tmp_path / "nowhere")
    trees.picture(tmp_path / "one" / "ant" / "1.png", 0)
    with pytest.raises(UserError, match="at least two classes, received ant"):
        read_layout(tmp_path / "one")
    trees.class_folders(tmp_path / "val_only", {"val": 2})
    with pytest.raises(UserError, match=r"must have a train/ folder"):
        read_layout(tmp_path / "val_only")


def test_classes_that_do_not_fit_get_one_line(tmp_path):
    root = trees.class_folders(tmp_path / "a", {"train": 3, "test": 2})
    (root / "train" / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty' must hold pictures"):
        read_layout(root)
    (root / "train" / "empty").rmdir()
    trees.picture(root / "test" / "wasp" / "1.png", 0)
    with pytest.raises(UserError, match=r"wasp' must be a class of the train"):
        read_layout(root)
    said = []
    other = trees.class_folders(tmp_path / "b", {"train": 3, "test": 2})
    for path in (other / "test" / "bee").iterdir():
        path.unlink()
    load_dataset("folder", other, say=said.append)
    assert "1 classes have no test image: bee" in said


def test_folders_that_are_no_parts_are_not_dropped(tmp_path):
    root = trees.class_folders(
        tmp_path / "a", {"train": 2, "val": 2, "more": 1}
    )
    with pytest.raises(UserError, match="train, val and 1 more"):
        read_layout(root)
    both = trees.class_folders(
        tmp_path / "b", {"train": 2, "val": 1, "valid": 1}
    )
    with pytest.raises(UserError, match="one folder for the validation part"):
        read_layout(both)


def test_links_to_folders_are_faults(tmp_path):
    root = trees.class_folders(tmp_path / "a", {"train": 2, "test": 2})
    trees.picture(tmp_path / "elsewhere" / "1.png", 99)
    os.symlink(tmp_path / "elsewhere", root / "train" / "bee" / "more")
    os.symlink(tmp_path / "elsewhere", root / "train" / "wasp")
    faults = read_layout(root).faults
    assert len(faults) == 2
    assert all("copy it there" in fault for fault in faults)


def test_a_tree_of_another_set_is_refused(tmp_path):
    root = trees.stanford_dogs(tmp_path)
    with pytest.raises(UserError, match="use --dataset stanford_dogs"):
        quietly("cub200", root)
    said = []
    load_dataset("stanford_dogs", root, say=said.append)
    assert any("2 of 120 classes" in line for line in said)
    quietly("folder", root)
