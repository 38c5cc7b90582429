"""Batches: the same for the same seed, on every backend, fed in any way."""

import os

import keras
import loky
import numpy as np
import psutil
import pytest
import tiny
import trees

from keras_css import SGD
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.data import Pictures
from keras_css.data import Split
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import HorizontalFlip
from keras_css.data.augmentation import Mixing
from keras_css.data.augmentation import PadAndCrop
from keras_css.data.batches import EvaluationBatches
from keras_css.data.batches import Shuffle
from keras_css.data.batches import TrainingBatches
from keras_css.data.batches import even_batch_size
from keras_css.methods import Independent
from keras_css.training.seed import set_seed


def numbered(count, classes=3):
    """A split whose images hold their own index."""
    images = np.zeros((count, 2, 2, 1), "uint8")
    images[:, 0, 0, 0] = np.arange(count)
    return Split(images, (np.arange(count) % classes).astype("int32"))


@pytest.mark.once
def test_batches_depend_on_seed_and_epoch_alone():
    batches = TrainingBatches(numbered(20), 6, seed=3)

    def epoch(number, source=batches):
        source.shuffle(number)
        return [
            source[i][0]["images"][:, 0, 0, 0].tolist()
            for i in range(len(source))
        ]

    first, second = epoch(0), epoch(1)
    assert len(first) == 3
    assert all(len(batch) == 6 for batch in first)
    assert len({i for batch in first for i in batch}) == 18
    assert first != second
    assert epoch(0) == first
    assert epoch(0, TrainingBatches(numbered(20), 6, seed=4)) != first
    assert len(TrainingBatches(numbered(20), 64, seed=0)) == 1


@pytest.mark.once
def test_pairs_of_a_class():
    split = numbered(20)
    batches = TrainingBatches(split, 6, seed=0, paired=True)
    again = TrainingBatches(split, 6, seed=0, paired=True)
    orders = []
    for epoch in range(2):
        batches.shuffle(epoch)
        again.shuffle(epoch)
        orders.append(batches.order)
        np.testing.assert_array_equal(again.order, batches.order)
        assert len(batches.order) == len(split)
        for x, y in batches.whole_epoch():
            np.testing.assert_array_equal(y[::2], y[1::2])
            shown = x["images"].reshape(6, -1)[:, 0]
            assert not np.any(shown[::2] == shown[1::2]), "another image"
        assert len(set(batches.order[::2])) == 10
    assert not np.array_equal(*orders)


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


@pytest.mark.once
def test_pictures_are_read_ahead_in_the_order_of_arrays(tmp_path):
    paths = [str(trees.picture(tmp_path / f"{i}.png", i)) for i in range(11)]
    pictures = Pictures(paths, (6, 6, 3))
    labels = np.arange(11, dtype="int32")
    arrays = TrainingBatches(Split(pictures[:], labels), 3, seed=1)
    stream = TrainingBatches(Split(pictures, labels), 3, seed=1)
    for epoch in (0, 1, 2, 7, 8, 0):
        arrays.shuffle(epoch)
        stream.shuffle(epoch)
        for i in (*range(len(arrays)), 1):
            (x, y), (x_stream, y_stream) = arrays[i], stream[i]
            np.testing.assert_array_equal(x["images"], x_stream["images"])
            np.testing.assert_array_equal(y, y_stream)


@pytest.mark.once
def test_a_picture_that_vanishes_is_named(tmp_path):
    paths = [str(trees.picture(tmp_path / f"{i}.png", i)) for i in range(8)]
    split = Split(Pictures(paths, (6, 6, 3)), np.arange(8, dtype="int32"))
    (tmp_path / "5.png").unlink()
    batches = TrainingBatches(split, 4, seed=0)
    with pytest.raises(UserError, match=r"5\.png.* when training began"):
        [batches[i] for i in range(2)]


@pytest.mark.once
def test_evaluation_takes_every_image_once_in_order():
    batches = EvaluationBatches(numbered(20), 8)
    assert [len(batches[i][1]) for i in range(len(batches))] == [7, 7, 6]
    images = np.concatenate([batches[i][0] for i in range(len(batches))])
    np.testing.assert_array_equal(images[:, 0, 0, 0], np.arange(20))


def pixels(count=24, size=8):
    x, y = tiny.images(count, size=size)
    return np.clip(x * 80 + 90, 0, 255).astype("uint8"), y


def fit(split, **options):
    """Trains two epochs; returns the losses and the weights."""
    set_seed(0)
    feeding = {k: options.pop(k) for k in ("resident",) if k in options}
    distiller = OnlineDistiller(
        [tiny.network(), tiny.network()],
        **{"augmentation": Augmentation([PadAndCrop(2), HorizontalFlip()])},
        **options,
    )
    distiller.compile(SGD(0.05))
    batches = TrainingBatches(
        split, 8, 3, num_draws=distiller.views.num_draws, **feeding
    )
    history = distiller.fit(
        *(batches,),
        epochs=2,
        shuffle=False,
        verbose=0,
        callbacks=[Shuffle(batches)],
    ).history
    return history["loss"], [
        keras.ops.convert_to_numpy(w) for w in distiller.trainable_weights
    ]


def test_resident_and_streamed_images_train_alike():
    split = Split(*pixels())
    losses, weights = fit(split)
    resident_losses, resident_weights = fit(split, resident=True)
    assert losses == pytest.approx(resident_losses, rel=1e-5)
    for one, other in zip(weights, resident_weights):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_other_resident_images_are_taken_up():
    """The compiled step of the first fit must not keep the first images."""
    distiller = tiny.cohort()
    x, y = pixels()
    losses = []
    for images in (x, np.zeros_like(x)):
        batches = TrainingBatches(Split(images, y), 8, 0, resident=True)
        distiller.optimizer.learning_rate = 0.0
        fitted = distiller.fit(batches, shuffle=False, verbose=0)
        losses.append(fitted.history["loss"][0])
    assert abs(losses[0] - losses[1]) > 0.02


def test_each_network_may_see_its_own_changes():
    distiller = OnlineDistiller(
        [tiny.network(num_branches=1), tiny.network(num_branches=1)],
        Independent(),
        augmentation=Augmentation([PadAndCrop(2)]),
        augment_each_network=True,
    )
    x, _ = pixels(8)
    assert distiller.views.num_draws == 4
    draws = np.random.default_rng(0).random((8, 4), "float32")
    names = distiller.views.names
    batch = {"images": x, "draws": draws}
    views = distiller.views.take(batch, training=True)
    for i, name in enumerate(names):
        own = draws[:, 2 * i : 2 * i + 2]
        expected = distiller.views.augmentation(x, draws=own, training=True)
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(views[name]),
            keras.ops.convert_to_numpy(expected),
        )
    still = distiller.views.take(batch, training=False)
    assert all(still[name] is x for name in names)


def test_mixed_labels_give_the_mixed_loss():
    """Against the loss of each label, weighted by hand."""
    distiller = OnlineDistiller(
        [tiny.network(num_branches=1)],
        Independent(),
        mixing=Mixing(mixup=1.0),
    )
    distiller.compile(SGD(0.0))
    x, y = pixels(8)
    draws = np.random.default_rng(0).random((8, 4), "float32")
    distiller.build((None, *x.shape[1:]))
    batch = {"images": x, "draws": draws}
    mixed, share = distiller.views.mixing(x.astype("float32"), draws=draws)
    share = float(share)
    logits = distiller.networks[0](mixed, training=True)["logits"]
    logits = keras.ops.convert_to_numpy(logits)[..., 0].astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    own = -log_p[np.arange(8), y].mean()
    other = -log_p[np.arange(8), np.roll(y, 1)].mean()
    outputs = distiller(batch, training=True)
    loss = distiller.compute_loss(batch, y, outputs, training=True)
    assert float(loss) == pytest.approx(
        share * own + (1 - share) * other, rel=1e-4
    )
    assert 0.02 < share < 0.98


def test_a_cohort_with_augmentation_and_mixing_trains_on_plain_arrays():
    distiller = OnlineDistiller(
        [tiny.network(), tiny.network()],
        augmentation=Augmentation([PadAndCrop(1)]),
        augment_each_network=True,
        mixing=Mixing(mixup=0.2, cutmix=1.0),
    )
    distiller.compile(SGD(0.05))
    x, y = pixels(16)
    history = distiller.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    again = OnlineDistiller.from_config(distiller.get_config())
    assert again.views.each_has_own
    assert again.views.mixing.cutmix == 1.0
    assert again.views.augmentation.transforms == (PadAndCrop(1),)


def test_a_picture_that_vanishes_ends_training_in_one_line(tmp_path):
    paths = [str(trees.picture(tmp_path / f"{i}.png", i)) for i in range(16)]
    labels = np.arange(16, dtype="int32") % 4
    split = Split(Pictures(paths, (8, 8, 3)), labels)
    batches = TrainingBatches(split, 4, seed=0)
    distiller = tiny.cohort()
    (tmp_path / "5.png").unlink()
    batches = TrainingBatches(split, 4, seed=0)
    with pytest.raises(UserError, match=r"5\.png"):
        distiller.fit(batches, epochs=2, shuffle=False, verbose=0)


@pytest.mark.once
def test_work_of_a_killed_process_is_done_again(tmp_path):
    paths = [str(trees.picture(tmp_path / f"{i}.png", i)) for i in range(16)]
    split = Split(Pictures(paths, (6, 6, 3)), np.arange(16, dtype="int32"))
    batches = TrainingBatches(split, 4, seed=0)
    images = [batches[0][0]["images"]]
    for process in psutil.Process().children():
        process.kill()
    images += [batches[i][0]["images"] for i in range(1, 4)]
    rows = batches.order
    np.testing.assert_array_equal(np.concatenate(images), split.images[rows])


@pytest.mark.once
def test_processes_that_are_killed_again_are_named(tmp_path):
    class Deadly(Pictures):
        def submit(self, rows, place=None):
            return loky.get_reusable_executor().submit(os._exit, 1)

    pictures = Deadly([str(trees.picture(tmp_path / "0.png", 0))], (6, 6, 3))
    rows = np.arange(1)
    with pytest.raises(UserError, match="were killed twice"):
        pictures.result(rows, pictures.submit(rows))
    assert pictures.take(rows)[:].shape == (1, 6, 6, 3), "others can be read"
