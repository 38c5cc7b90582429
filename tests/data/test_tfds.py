"""tensorflow-datasets: a small set in its own format, no network."""

import os

import numpy as np
import pytest
import trees

from keras_css import UserError
from keras_css.data import load_dataset
from keras_css.data import tfds

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """A folder of prepared copies that holds one set of pictures with boxes."""
    import tensorflow_datasets as library

    class TinyBirds(library.core.GeneratorBasedBuilder):
        VERSION = library.core.Version("1.2.0")

        def _info(self):
            return library.core.DatasetInfo(
                builder=self,
                features=library.features.FeaturesDict(
                    {
                        "image": library.features.Image(),
                        "label": library.features.ClassLabel(
                            names=trees.CLASSES
                        ),
                        "bbox": library.features.BBoxFeature(),
                    }
                ),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, manager):
            return {
                "train": self._examples(0, 12),
                "test": self._examples(9, 6),
            }

        def _generate_examples(self, path):
            raise NotImplementedError

        def _examples(self, seed, count):
            for i in range(count):
                rng = np.random.default_rng([seed, i])
                yield (
                    i,
                    {
                        "image": rng.integers(0, 255, (10, 20, 3), "uint8"),
                        "label": i % 3,
                        "bbox": library.features.BBox(0.1, 0.2, 0.9, 0.6),
                    },
                )

    root = tmp_path_factory.mktemp("tensorflow_datasets")
    builder = TinyBirds(data_dir=root)
    builder.download_and_prepare(
        download_config=library.download.DownloadConfig(try_download_gcs=False)
    )
    return root


def test_a_prepared_copy_is_read(copies, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(copies))
    said = []
    data = load_dataset("tfds:tiny_birds", say=said.append, download=False)
    assert data.class_names == trees.CLASSES
    assert (len(data.train), len(data.validation), len(data.test)) == (9, 3, 6)
    assert "tensorflow-datasets in" in data.about["where"]
    assert data.image_shape == (10, 20, 3)
    expected = {
        np.random.default_rng([9, i])
        .integers(0, 255, (10, 20, 3), "u1")
        .tobytes()
        for i in range(6)
    }
    assert {image.tobytes() for image in data.test.images} == expected


def test_the_same_copy_by_data_dir_and_its_boxes(copies):
    folder = tfds.prepared_copy("tiny_birds", copies)
    assert folder == copies / "tiny_birds" / "1.2.0"
    other = copies / "tiny_birds" / "1.3.0.incompleteXYZ"
    other.mkdir()
    (other / "dataset_info.json").write_text("{}")
    assert tfds.prepared_copy("tiny_birds", copies) == folder
    data = load_dataset(
        *("tfds:tiny_birds", str(folder)),
        say=lambda line: None,
        crop_to_box=True,
        box_margin=0,
        image_size=(8, 8),
    )
    known = np.random.default_rng([9, 0]).integers(0, 255, (10, 20, 3), "u1")
    shown = {image.tobytes() for image in data.test.images}
    assert np.ascontiguousarray(known[1:9, 4:12]).tobytes() in shown


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("tfds:tiny_birds", ["prepare --dataset tfds:tiny_birds", "copy"]),
        ("cifar100", ["cifar-100-python.tar.gz", "data/cifar100"]),
        ("stanford_cars", ["official link is dead", "car_devkit.tgz"]),
    ],
)
def test_without_a_copy_the_error_says_what_to_do(
    tmp_path, monkeypatch, dataset, words
):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    download = dataset == "stanford_cars"
    with pytest.raises(UserError) as caught:
        load_dataset(dataset, download=download)
    message = str(caught.value)
    assert "\n" not in message
    for word in (*words, "scripts/data.py prepare --dataset"):
        assert word in message
    assert not os.listdir(tmp_path)


def test_a_set_that_needs_a_package_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install opencv-python-headless"):
        load_dataset("cub200")


def test_a_damaged_copy_gets_one_line(tmp_path):
    place = tmp_path / "tiny_birds" / "1.0.0"
    place.mkdir(parents=True)
    (place / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match="must be a set of images and classes"):
        load_dataset("tfds:tiny_birds", str(tmp_path))
