"""Every layout trains through train.py; data.py shows what is in it."""

import json
import os
import pathlib
import subprocess
import sys
import tarfile

import keras
import pytest
import trees
from npz_file import npz
from PIL import Image

ROOT = pathlib.Path(__file__).parents[2]
SMALL = (
    *("--network_a", "resnet8", "--network_b", "none", "--branches", "1"),
    *("--method", "independent", "--epochs", "2", "--batch_size", "4"),
    *("--image_size", "8", "--crop_fraction", "1"),
)
LAYOUTS = {
    "folder": lambda root: trees.class_folders(root, {"train": 4, "test": 2}),
    "csv": lambda root: trees.csv_list(
        root, [(f"{i} ü.png", "abc"[i % 3], "train") for i in range(18)]
    ),
    "npz": lambda root: npz(root / "mine.npz"),
    "cifar10": trees.cifar10,
    "cifar100": trees.cifar100,
    "cub200": trees.cub,
    "stanford_dogs": trees.stanford_dogs,
    "stanford_cars": trees.stanford_cars,
}


@pytest.mark.once
@pytest.mark.parametrize("dataset", LAYOUTS)
def test_every_layout_trains(call, tmp_path, dataset):
    root = tmp_path / "data"
    root.mkdir()
    place = LAYOUTS[dataset](root)
    flags = ("--dataset", dataset, "--data_dir", place, "--run_dir", "run")
    code, out, err = call("train", *flags, *SMALL)
    assert code == 0, err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert len(result["class_names"]) == result_classes(dataset)
    assert all(0 <= value <= 1 for value in result["test"].values())
    assert out.count(f"{dataset} from ") == 1
    assert str(place) in out


def result_classes(dataset):
    few = {"cub200": 2, "stanford_dogs": 2, "stanford_cars": 2}
    return {"npz": 4, "cifar10": 10, **few}.get(dataset, 3)


@pytest.mark.once
def test_summary_lists_what_looks_wrong(call, tmp_path):
    root = trees.class_folders(tmp_path / "data", {"train": 4, "test": 2})
    (root / "train" / "ant" / "torn.jpg").write_bytes(b"no picture")
    (root / "train" / "ant" / "two\nlines.jpg").write_bytes(b"no picture")
    (root / "loose.png").write_bytes(b"")
    content = (root / "test" / "bee" / "0.png").read_bytes()
    (root / "train" / "cat eye" / "copy.png").write_bytes(content)
    trees.picture(root / "train" / "ant" / "long.png", 5, (90, 9))
    flags = ("--dataset", "folder", "--data_dir", root)
    code, out, err = call("data", "summary", *flags)
    assert code == 0, err
    for words in (
        "3 classes",
        "2 pictures cannot be used",
        r"two\nlines.jpg' must be a picture",
        "1 other files",
        "torn.jpg",
        "1 train images are test images, too",
        "images with copies in different classes",
        "suspicious train pictures, tiny or very long",
        "long.png: 90x9",
    ):
        assert words in out
    assert "class folders in train, test of" in out


@pytest.mark.once
def test_preview_writes_a_sheet(call, tmp_path):
    root = trees.class_folders(tmp_path / "data", {"train": 4, "test": 2})
    flags = ("--dataset", "folder", "--data_dir", root, "--cutout", "4")
    code, _, err = call("data", "preview", *flags, "--rand_augment", "5")
    assert code == 0, err
    with Image.open(tmp_path / "preview.png") as sheet:
        assert sheet.width > 8 * 50 and sheet.height > 8 * 50
        assert len(sheet.getcolors(1 << 20)) > 100
    code, _, err = call("data", "preview", *flags, "--out", "no/where.png")
    assert code == 2
    assert err.startswith("error: --out must be a .png")


@pytest.mark.once
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--image_size", "big"], "--image_size must be a number of pixels"),
        (["--image_size", "0"], "between 1 and 1024"),
        (["--crop_to_box"], "--crop_to_box needs pictures that have boxes"),
        (["--on_bad_image", "ignore"], "must be error or skip"),
        (["--feeding", "fast"], "must be auto or resident or stream"),
        (["--test_fraction", "1"], "--test_fraction must lie between 0 and 1"),
        (["--mixup", "-1"], "--mixup must be a number from 0"),
        (["--crop_fraction", "0"], "--crop_fraction must be a number from 0.1"),
    ],
)
def test_wrong_data_flags_get_one_line(call, tmp_path, flags, words):
    root = trees.class_folders(tmp_path / "data", {"train": 4, "test": 2})
    given = ("--dataset", "folder", "--data_dir", root, "--run_dir", "run")
    code, _, err = call("train", *given, *flags)
    assert code == 2
    assert words in err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_a_packed_tree_is_prepared(call, tmp_path):
    trees.cub(tmp_path / "tree")
    with tarfile.open(tmp_path / "CUB_200_2011.tgz", "w:gz") as file:
        file.add(tmp_path / "tree" / "CUB_200_2011", "CUB_200_2011")
    code, out, err = call(
        "data", "prepare", "--dataset", "cub200", "--data_dir", tmp_path
    )
    assert code == 0, err
    assert "8 train, 4 test images, 2 classes" in out


@pytest.mark.once
def test_an_unknown_action_of_data_gets_one_line(call):
    assert call("data", "sumary")[0] == 2
    assert "did you mean summary" in call("data", "sumary")[2]


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="is about JAX without TensorFlow"
)
def test_pictures_train_on_jax_without_tensorflow(tmp_path):
    root = trees.class_folders(tmp_path / "data", {"train": 4, "test": 2})
    flags = ("--dataset", "folder", "--data_dir", root, "--run_dir", "run")
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('tensorflow', 'tf2onnx',\n"
        "                                  'tensorflow_datasets'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from keras_css_cli.command import run_command\n"
        "sys.exit(run_command('train', sys.argv, 'train'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, (*flags, *SMALL))],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "result.json").exists()
