"""Parts share no image; bad pictures have one stated behaviour each."""

import io
import os
import shutil

import numpy as np
import pytest
import trees
from npz_file import npz
from PIL import Image

from keras_css import UserError
from keras_css.data import Pictures
from keras_css.data import Split
from keras_css.data import channel_statistics
from keras_css.data import load_dataset
from keras_css.data.splits import digests_of
from keras_css.data.splits import stratified
from keras_css_runtime.pictures import to_array

pytestmark = pytest.mark.once


def quietly(dataset, data_dir=None, **options):
    return load_dataset(dataset, data_dir, say=lambda line: None, **options)


def test_a_part_is_stratified_and_repeats_with_the_seed():
    labels = np.arange(90) % 3
    taken = stratified(labels, 0.1, seed=1)
    assert np.bincount(labels[taken]).tolist() == [3, 3, 3]
    np.testing.assert_array_equal(stratified(labels, 0.1, seed=1), taken)
    assert (stratified(labels, 0.1, seed=2) != taken).any()
    rare = np.array([0, 0, 1, 1, 2])
    assert sorted(rare[stratified(rare, 0.1, seed=0)].tolist()) == [0, 1]
    with pytest.raises(UserError, match="validation_fraction"):
        stratified(labels, 1.0, seed=0)


def test_copies_stay_together():
    rng = np.random.default_rng(0)
    digests = rng.integers(0, 40, 200)
    taken = stratified(np.arange(200) % 4, 0.3, 0, digests)
    assert 30 < taken.sum() < 90
    assert not set(digests[taken]) & set(digests[~taken])


def test_digits_have_a_test_part_that_no_seed_changes():
    digits = quietly("digits")
    sizes = [len(s) for s in (digits.train, digits.validation, digits.test)]
    assert sizes == [1295, 143, 359]
    assert digits.train.images.dtype == np.uint8
    assert digits.train.images.max() == 255
    assert digits.image_shape == (8, 8, 1)
    other = quietly("digits", seed=5)
    np.testing.assert_array_equal(digits.test.images, other.test.images)
    found = [
        set(digests_of(s.images).tolist())
        for s in (digits.train, digits.validation, digits.test)
    ]
    assert not found[0] & found[1] | found[0] & found[2] | found[1] & found[2]


def test_an_image_of_two_parts_is_left_out_of_training(tmp_path):
    root = trees.class_folders(tmp_path, {"train": 5, "val": 3, "test": 3})
    shutil.copy(root / "test/ant/0.png", root / "train/ant/again.png")
    shutil.copy(root / "test/ant/1.png", root / "val/bee/again.png")
    shutil.copy(root / "val/bee/0.png", root / "train/ant/too.png")
    said = []
    data = load_dataset("folder", root, say=said.append)
    assert (len(data.train), len(data.validation), len(data.test)) == (15, 9, 9)
    torn, *lines = data.about["left_out"]
    assert torn.startswith("2 images have copies in different classes: ")
    for line, (part, other, name) in zip(
        lines,
        [
            ("validation", "test", root / "val/bee/again.png"),
            ("train", "validation", root / "train/ant/too.png"),
            ("train", "test", root / "train/ant/again.png"),
        ],
        strict=True,
    ):
        assert line == (
            f"1 {part} images are {other} images, too: left out of {part}: "
            f"{name}"
        )
    assert set(data.about["left_out"]) <= set(said)


def test_a_class_of_copies_keeps_a_training_image(tmp_path):
    root = trees.class_folders(tmp_path, {".": 4})
    for i in range(1, 4):
        shutil.copy(root / "bee" / "0.png", root / "bee" / f"{i}.png")
    for seed in range(6):
        data = quietly("folder", root, seed=seed)
        assert 1 in data.train.labels
        assert (data.train.labels == 1).sum() == 4, "copies stay together"


def test_files_that_cannot_be_read_are_no_copies_of_each_other(tmp_path):
    root = trees.class_folders(tmp_path, {"train": 4, "val": 2, "test": 2})
    for part in ("train", "val", "test"):
        (root / part / "bee" / "empty.png").write_bytes(b"")
    data = quietly("folder", root, on_bad_image="skip")
    assert len(data.about["skipped"]) == 3
    assert data.about["left_out"] == []


def test_the_content_is_the_same_wherever_and_however_it_is_fed(tmp_path):
    """A run is evaluated on another machine, with other memory and paths."""
    root = trees.class_folders(tmp_path / "a", {"train": 4, "test": 2})
    (root / "train" / "bee" / "empty.png").write_bytes(b"")
    shutil.copytree(root, tmp_path / "b")
    found = [
        quietly(
            "folder", tmp_path / place, feeding=feeding, on_bad_image="skip"
        ).about["content"]
        for place, feeding in (("a", "resident"), ("b", "stream"))
    ]
    assert found[0] == found[1]
    trees.picture(root / "test" / "bee" / "0.png", 4711)
    other = quietly("folder", root, on_bad_image="skip").about["content"]
    assert {p for p in other if other[p] != found[0][p]} == {"test"}


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def good_pictures():
    """Pictures of every kind and the colour each is to become."""
    red = Image.new("RGB", (40, 30), (200, 30, 40))
    # Stored with its upper half black; turned by 90 degrees, the right one.
    turned = Image.new("RGB", (40, 40), (200, 30, 40))
    turned.paste((0, 0, 0), (0, 0, 40, 20))
    exif = turned.getexif()
    exif[0x0112] = 6
    clear = Image.new("RGBA", (40, 30), (200, 30, 40, 0))
    grey_16 = Image.fromarray(np.full((30, 40), 51400, "uint16"))
    return {
        "rgb.png": (red, {}, (200, 30, 40)),
        "cmyk.jpg": (red.convert("CMYK"), {"quality": 95}, (200, 30, 40)),
        "palette.png": (red.quantize(4), {}, (200, 30, 40)),
        "clear.png": (clear, {}, (255, 255, 255)),
        "grey.png": (Image.new("L", (40, 30), 77), {}, (77, 77, 77)),
        "grey16.png": (grey_16, {}, (200, 200, 200)),
        "one_bit.png": (Image.new("1", (40, 30), 1), {}, (255, 255, 255)),
        "turned.jpg": (turned, {"exif": exif, "quality": 95}, (200, 30, 40)),
        "tiny.png": (Image.new("RGB", (1, 1), (9, 8, 7)), {}, (9, 8, 7)),
        "wide.png": (Image.new("RGB", (900, 3), (9, 8, 7)), {}, (9, 8, 7)),
        "name is.jpg.png": (red, {}, (200, 30, 40)),
    }


def test_every_kind_of_picture_is_converted(tmp_path):
    for name, (image, options, color) in good_pictures().items():
        image.save(tmp_path / name, **options)
        found = to_array(tmp_path / name, (16, 16, 3))
        assert found.shape == (16, 16, 3)
        found = found[:, :6] if name == "turned.jpg" else found
        distance = np.abs(found.astype(int) - color).max()
        assert distance <= 6, (name, found[0, 0])
    # The ending does not matter, what is in the file does.
    (tmp_path / "png.jpg").write_bytes((tmp_path / "rgb.png").read_bytes())
    found = to_array(tmp_path / "png.jpg", (8, 8, 3))
    assert found[0, 0].tolist() == [200, 30, 40]


def bad_pictures():
    whole = jpeg(Image.effect_noise((80, 60), 90))
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    return {
        "zero.jpg": b"",
        "truncated.jpg": whole[: len(whole) // 2],
        "text.png": b"this is no picture at all",
        "bomb.png": bomb.getvalue(),
        "script.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    }


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Class folders with one bad picture of each kind and a link outside."""
    root = tmp_path_factory.mktemp("spoilt") / "data"
    trees.class_folders(root, {"train": 6, "test": 3})
    for name, data in bad_pictures().items():
        (root / "train" / "bee" / name).write_bytes(data)
    outside = trees.picture(root.parent / "outside.png", 1000)
    os.symlink(outside, root / "train" / "bee" / "link.png")
    os.symlink("nowhere.png", root / "train" / "bee" / "broken.png")
    return root


def test_bad_pictures_are_refused_by_name(spoilt):
    with pytest.raises(UserError) as caught:
        quietly("folder", spoilt)
    message = str(caught.value)
    assert "\n" not in message
    assert str(spoilt / "train" / "bee") in message
    assert "And 1 more such." in message, "links are known at once"
    assert "--on_bad_image skip" in message


@pytest.mark.parametrize("feeding", ["resident", "stream"])
def test_bad_pictures_are_skipped_and_listed(spoilt, feeding):
    said = []
    data = load_dataset(
        "folder",
        spoilt,
        say=said.append,
        on_bad_image="skip",
        feeding=feeding,
        image_size=(10, 12),
    )
    skipped = data.about["skipped"]
    for name in (*bad_pictures(), "link.png", "broken.png"):
        assert sum(name in line for line in skipped) == 1, name
    assert sum(line.startswith("skipped: ") for line in said) == 7
    assert len(data.train) + len(data.validation) == 18
    assert data.train.images[:].shape[1:] == (10, 12, 3)
    # Names stay those of the images, whatever was left out before them.
    for row in range(len(data.train)):
        with Image.open(data.train.name(row)) as image:
            np.testing.assert_array_equal(data.train.images[row], image)


def test_copies_in_different_classes_are_told(tmp_path):
    root = trees.class_folders(tmp_path, {"train": 6, "test": 3})
    assert not quietly("folder", root).about["left_out"]
    picture = (root / "train" / "ant" / "1.png").read_bytes()
    (root / "train" / "bee" / "again.png").write_bytes(picture)
    (line,) = quietly("folder", root).about["left_out"]
    assert line.startswith("1 images have copies in different classes: ")
    assert line.endswith("1.png: ant, bee")


def test_a_class_without_a_good_picture_is_refused(tmp_path):
    root = trees.class_folders(tmp_path, {"train": 6, "test": 3})
    for path in (root / "train" / "bee").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="1 have none: bee"):
        quietly("folder", root, on_bad_image="skip")


def test_training_pictures_keep_what_random_crops_may_show(tmp_path):
    root = trees.class_folders(tmp_path, {"train": 4, "val": 2, "test": 2})
    data = quietly("folder", root, image_size=(7, 7), crop_fraction=0.875)
    assert data.train.images.shape[1:] == (8, 8, 3)
    assert data.image_shape == (7, 7, 3)
    with Image.open(root / "test" / "ant" / "0.png") as image:
        # 12 x 10 is cut to 10 x 10, of which 0.875 is kept.
        box = (1 + 0.625, 0.625, 11 - 0.625, 10 - 0.625)
        expected = image.resize((7, 7), Image.Resampling.BILINEAR, box=box)
    np.testing.assert_allclose(
        data.test.images[0].astype(int), np.asarray(expected, int), atol=1
    )


def test_arrays_can_be_scaled(tmp_path):
    path = npz(tmp_path / "a.npz")
    data = quietly("npz", path, image_size=(4, 6))
    assert data.train.images.shape[1:] == (4, 6, 3)
    assert quietly("npz", path).train.images.shape[1:] == (8, 8, 3)


def test_pictures_index_like_an_array(tmp_path):
    paths = [str(trees.picture(tmp_path / f"{i}.png", i)) for i in range(5)]
    pictures = Pictures(paths, (6, 6, 3))
    whole = pictures[:]
    assert whole.shape == pictures.shape == (5, 6, 6, 3)
    np.testing.assert_array_equal(pictures[3], whole[3])
    np.testing.assert_array_equal(pictures[[4, 0]], whole[[4, 0]])
    two = np.asarray(pictures.take([2, 1]))
    np.testing.assert_array_equal(two, whole[[2, 1]])
    odd = Split(pictures, np.arange(5)).take(np.arange(5) % 2 == 1)
    np.testing.assert_array_equal(odd.images[:], whole[[1, 3]])


def test_many_pictures_are_read_in_order_by_processes(tmp_path):
    paths = [str(trees.picture(tmp_path / f"{i}.png", i)) for i in range(30)]
    pictures = Pictures(paths * 20, (6, 6, 3))
    np.testing.assert_array_equal(
        pictures[:], np.tile(pictures[:30], (20, 1, 1, 1))
    )


def test_channel_statistics_are_those_of_the_pixels():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 5, 6, 3), "uint8")
    images[..., 2] = 7
    mean, deviation = channel_statistics(images)
    scaled = images / 255
    np.testing.assert_allclose(mean, scaled.mean(axis=(0, 1, 2)))
    expected = scaled.std(axis=(0, 1, 2))
    np.testing.assert_allclose(deviation[:2], expected[:2])
    assert deviation[2] == 1
