"""A piece of a data set is the same from any copy of it."""

import numpy as np
import pytest

from keras_css import UserError
from keras_css.data import load_dataset
from keras_css.data.splits import digests_of

pytestmark = pytest.mark.once


def write(path, order_seed):
    """Writes one set of 4 classes in some order and returns where."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 6, 6, 3), "uint8")
    labels = np.arange(80) % 4
    order = np.random.default_rng(order_seed).permutation(60)
    np.savez(
        path,
        x_train=images[:60][order],
        y_train=labels[:60][order],
        x_test=images[60:],
        y_test=labels[60:],
    )
    return path


def loaded(path, **options):
    return load_dataset("npz", path, say=lambda line: None, **options)


def test_the_same_images_from_any_order(tmp_path):
    found = [
        loaded(write(tmp_path / f"{i}.npz", i), first_classes=3, per_class=5)
        for i in range(2)
    ]
    sets = [
        set(digests_of(part.images))
        for dataset in found
        for part in (dataset.train, dataset.validation)
    ]
    assert sets[0] | sets[1] == sets[2] | sets[3]
    for dataset in found:
        assert dataset.num_classes == 3
        labels = [*dataset.train.labels, *dataset.validation.labels]
        assert np.bincount(labels).tolist() == [5, 5, 5]
        assert np.bincount(dataset.test.labels).tolist() == [5, 5, 5]


def test_numbers_out_of_range(tmp_path):
    path = write(tmp_path / "a.npz", 0)
    with pytest.raises(UserError, match="from 2 to the 4 classes"):
        loaded(path, first_classes=5)
    with pytest.raises(UserError, match=r"^per_class must be"):
        loaded(path, per_class=-1)
