"""Splits, statistics, batches and augmentation."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import UserError
from keras_css.data import DATASETS
from keras_css.data import Split
from keras_css.data import channel_statistics
from keras_css.data import split_off_validation
from keras_css.data.augmentation import PadAndCrop
from keras_css.data.augmentation import augmentation
from keras_css.data.batches import Shuffle
from keras_css.data.batches import TrainingBatches
from keras_css.data.batches import even_batch_size


def numbered(count, classes=3):
    """A split whose images hold their own index."""
    images = np.zeros((count, 2, 2, 1), "uint8")
    images[:, 0, 0, 0] = np.arange(count)
    return Split(images, (np.arange(count) % classes).astype("int32"))


def ids(split):
    return set(split.images[:, 0, 0, 0].tolist())


@pytest.mark.once
def test_validation_is_stratified_disjoint_and_repeats_with_the_seed():
    split = numbered(90)
    train, validation = split_off_validation(split, 0.1, seed=1)
    assert len(train) + len(validation) == 90
    assert not ids(train) & ids(validation)
    assert np.bincount(validation.labels).tolist() == [3, 3, 3]
    assert ids(split_off_validation(split, 0.1, seed=1)[1]) == ids(validation)
    assert ids(split_off_validation(split, 0.1, seed=2)[1]) != ids(validation)
    rare = Split(split.images[:5], np.array([0, 0, 1, 1, 2], "int32"))
    _, small = split_off_validation(rare, 0.1, seed=0)
    assert sorted(small.labels.tolist()) == [0, 1]
    with pytest.raises(UserError, match="validation_fraction"):
        split_off_validation(split, 1.0, seed=0)


@pytest.mark.once
def test_digits_have_a_test_part_that_no_seed_changes():
    digits = DATASETS.get("digits")()
    assert (len(digits.train), len(digits.test)) == (1438, 359)
    assert digits.train.images.dtype == np.uint8
    assert digits.train.images.max() == 255
    assert digits.test.images.shape[1:] == (8, 8, 1)
    again = DATASETS.get("digits")()
    np.testing.assert_array_equal(digits.test.images, again.test.images)
    pictures = {image.tobytes() for image in digits.train.images}
    shared = sum(image.tobytes() in pictures for image in digits.test.images)
    assert shared == 0


@pytest.mark.once
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


@pytest.mark.once
def test_batches_depend_on_seed_and_epoch_alone():
    batches = TrainingBatches(numbered(20), 6, seed=3)

    def epoch(number, source=batches):
        source.shuffle(number)
        return [source[i][0][:, 0, 0, 0].tolist() for i in range(len(source))]

    first, second = epoch(0), epoch(1)
    assert len(first) == 3
    assert all(len(batch) == 6 for batch in first)
    assert len({i for batch in first for i in batch}) == 18
    assert first != second
    assert epoch(0) == first
    assert epoch(0, TrainingBatches(numbered(20), 6, seed=4)) != first
    assert len(TrainingBatches(numbered(20), 64, seed=0)) == 1


def test_training_gets_the_batches_of_the_epoch_on_every_backend():
    x, y = tiny.images(16)
    batches = TrainingBatches(Split(x, y), 4, seed=3)
    given = []

    class Noted(TrainingBatches):
        def __getitem__(self, index):
            given.append((index, self.order.tolist()))
            return super().__getitem__(index)

    noted = Noted(Split(x, y), 4, seed=3)
    tiny.cohort().fit(
        noted,
        initial_epoch=5,
        epochs=7,
        shuffle=False,
        verbose=0,
        callbacks=[Shuffle(noted)],
    )
    # Whatever is looked at before the first epoch comes first.
    trained = given[-8:]
    assert [index for index, _ in trained] == [0, 1, 2, 3] * 2
    for epoch, part in ((5, trained[:4]), (6, trained[4:])):
        batches.shuffle(epoch)
        assert all(order == batches.order.tolist() for _, order in part)


@pytest.mark.once
def test_even_batches():
    assert even_batch_size(144, 128) == 72
    assert even_batch_size(128, 128) == 128
    assert even_batch_size(5, 128) == 5


def test_pad_and_crop_shifts_each_image_by_whole_pixels():
    rng = np.random.default_rng(0)
    images = rng.integers(1, 255, (64, 6, 7, 2), "uint8")
    layer = PadAndCrop(2, seed=0, dtype="float32")
    found = keras.ops.convert_to_numpy(layer(images, training=True))
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)])
    shifts = []
    for image, source in zip(found, padded):
        shifts.append(
            [
                (i, j)
                for i in range(5)
                for j in range(5)
                if np.array_equal(image, source[i : i + 6, j : j + 7])
            ]
        )
    assert all(len(shift) == 1 for shift in shifts)
    assert len({shift[0] for shift in shifts}) > 15
    still = keras.ops.convert_to_numpy(layer(images, training=False))
    np.testing.assert_array_equal(still, images)


def test_flip_mirrors_about_half_of_the_images():
    images = np.arange(200 * 16, dtype="float32").reshape(200, 4, 4, 1)
    layer = augmentation(0, True, seed=0)
    found = keras.ops.convert_to_numpy(layer(images, training=True))
    mirrored = np.array(
        [np.array_equal(a, b[:, ::-1]) for a, b in zip(found, images)]
    )
    kept = np.array([np.array_equal(a, b) for a, b in zip(found, images)])
    assert (mirrored | kept).all()
    assert 60 < mirrored.sum() < 140
    assert augmentation(0, False, seed=0) is None
