"""The best student is the best of the weights that it is cut from."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import UserError

pytestmark = pytest.mark.once

VALIDATION = tiny.images(40, seed=1)
STILL = {"batch_size": 16, "verbose": 0, "validation_data": VALIDATION}


@pytest.fixture(scope="module")
def learned():
    """A cohort of two networks of one branch, and its weights."""
    cohort = tiny.cohort(
        "independent",
        *(2, 4, keras.optimizers.SGD(0.2, momentum=0.9)),
        **{"num_branches": 1, "transformation": "none"},
        joint_labels=False,
    )
    cohort.fit(*tiny.images(64), epochs=8, **STILL)
    found = accuracies(cohort)
    assert min(found.values()) > 0.5, "a spoiled one has 0.25"
    freeze_norms(cohort)
    return cohort, cohort.get_weights()


def freeze_norms(cohort):
    """Keeps BatchNorm's statistics in all fits that follow."""
    for layer in cohort._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


@pytest.fixture
def cohort(learned):
    """The cohort as it was; in the fits of a test, no weight is trained."""
    cohort, weights = learned
    cohort.set_weights(weights)
    cohort.compile(keras.optimizers.SGD(0.0))
    return cohort


def accuracies(cohort):
    """Returns dict from each branch to its accuracy as it is now."""
    x, y = VALIDATION
    return {
        name: float(np.mean(logits.argmax(-1) == y))
        for name, logits in cohort.predict(x, verbose=0).items()
        if "/" in name
    }


def chosen(cohort, **options):
    return cohort.student("branch", **options).about["student"]


def spoil(cohort, letter):
    """Takes what a network's head knows; what it still says is one class."""
    (head,) = cohort.named_networks[f"network_{letter}"].heads
    head.set_weights([0 * weight for weight in head.get_weights()])


class Spoil(keras.callbacks.Callback):
    """Spoils one network at the beginning of an epoch, counted from 0."""

    def __init__(self, letter, epoch):
        super().__init__()
        self.letter, self.epoch = letter, epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            spoil(self.model, self.letter)


def fit(cohort, *callbacks, epochs=2, **options):
    settings = {**STILL, "callbacks": list(callbacks), **options}
    return cohort.fit(*tiny.images(32), epochs=epochs, **settings)


@pytest.fixture
def pair(cohort):
    """The letters of the network that is best and of the other one."""
    fit(cohort, epochs=1)
    first = chosen(cohort)[8]
    return first, "ab".replace(first, "")


def test_weights_that_were_assigned(cohort, pair):
    first, other = pair
    spoil(cohort, first)
    assert chosen(cohort)[8] == other
    assert cohort.student("network").about["student"] == f"network_{other}"
    assert other in cohort.student("best").about["student"]
    ship = [f"network_{first}"]
    assert ship[0] in cohort.student("best", ship=ship).about["student"]


def test_weights_of_a_checkpoint(cohort, pair, tmp_path):
    first, other = pair
    good = cohort.get_weights()
    spoil(cohort, first)
    cohort.save_weights(tmp_path / "spoiled.weights.h5")
    cohort.set_weights(good)
    assert chosen(cohort)[8] == first
    cohort.load_weights(tmp_path / "spoiled.weights.h5")
    assert chosen(cohort)[8] == other


def test_a_loaded_cohort_is_told_what_to_choose_on(cohort, pair, tmp_path):
    first, other = pair
    spoil(cohort, first)
    cohort.save(tmp_path / "cohort.keras")
    loaded = keras.models.load_model(tmp_path / "cohort.keras")
    with pytest.raises(UserError, match=r"validation_data=\(x, y\)"):
        chosen(loaded)
    assert chosen(loaded, validation_data=VALIDATION)[8] == other
    bare = keras.models.load_model(tmp_path / "cohort.keras", compile=False)
    with pytest.raises(UserError, match=r"call compile\(\)"):
        chosen(bare, validation_data=VALIDATION)


def test_steps_after_fit(cohort, pair):
    first, other = pair
    still = cohort.named_networks[f"network_{other}"]
    still.trainable = False
    cohort.compile(keras.optimizers.SGD(0.5))
    x, labels = tiny.images(16)
    for _ in range(10):
        cohort.train_on_batch(x, 0 * labels)
    still.trainable = True
    freeze_norms(cohort)
    found = accuracies(cohort)
    assert found[f"network_{first}/branch_0"] == 0.25
    assert found[chosen(cohort)] == max(found.values())


def test_an_epoch_that_was_restored(cohort, pair):
    first, _ = pair
    stopping = keras.callbacks.EarlyStopping(
        *(f"val_network_{first}/accuracy", 0, 0, 0, "max"),
        restore_best_weights=True,
    )
    logs = fit(cohort, Spoil(first, 1), stopping).history
    assert len(set(logs[stopping.monitor])) == 2, "the last epoch is worse"
    assert chosen(cohort)[8] == first


def test_an_epoch_that_was_not_validated(cohort, pair):
    first, other = pair
    fit(cohort, Spoil(first, 2), epochs=3, validation_freq=2)
    assert chosen(cohort)[8] == other


@pytest.mark.parametrize("swapped", [False, True])
def test_averaged_weights(cohort, pair, swapped):
    """Their heads are nearly what they were before one was spoiled."""
    first, _ = pair
    cohort.compile(keras.optimizers.SGD(0.0, use_ema=True, ema_momentum=0.99))
    swaps = [keras.callbacks.SwapEMAWeights()] if swapped else []
    fit(cohort, Spoil(first, 1), *swaps)
    found = accuracies(cohort)
    assert found[chosen(cohort)] == max(found.values())
    assert chosen(cohort)[8] == first


def test_data_that_fit_split_off(cohort, pair):
    first, other = pair
    fit(cohort, epochs=1, validation_data=None, validation_split=0.5)
    spoil(cohort, first)
    assert chosen(cohort)[8] == other


def test_what_cannot_be_read_again_is_refused(cohort, pair):
    def batches():
        while True:
            yield VALIDATION

    fit(cohort, epochs=1, validation_data=batches(), validation_steps=1)
    assert chosen(cohort)[8] == pair[0], "with the weights of then"
    spoil(cohort, pair[0])
    with pytest.raises(UserError, match="no generator"):
        chosen(cohort)
    # What a later fit trains on may be what an earlier one validated on.
    fit(cohort, epochs=1)
    fit(cohort, epochs=1, validation_data=None)
    with pytest.raises(UserError, match="fit with validation_data"):
        chosen(cohort)
    assert chosen(cohort, validation_data=VALIDATION)[8] == pair[1]
