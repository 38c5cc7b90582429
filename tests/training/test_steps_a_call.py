"""Several steps a call change nothing but how often callbacks are called."""

import warnings

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import PadAndCrop
from keras_css.data.batches import EvaluationBatches
from keras_css.data.batches import Shuffle
from keras_css.data.batches import TrainingBatches
from keras_css.data.dataset import Split
from keras_css.training.seed import set_seed
from keras_css.training.steps_per_call import decide_steps_per_call

STEPS = 5


class WeighedBatches(TrainingBatches):
    """Adds weights that differ from step to step."""

    def __getitem__(self, index):
        x, labels = super().__getitem__(index)
        return x, labels, np.linspace(0.5, 1.0 + index, len(labels))


class CountCalls(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def on_train_batch_end(self, batch, logs=None):
        self.calls += 1


def train(steps_a_call):
    """Three epochs of five steps, the last one after a pause.

    Returns:
        `(distiller, history, values of all variables, calls)`.
    """
    set_seed(0)
    distiller = keras_css.OnlineDistiller(
        [tiny.network(num_branches=1) for _ in range(2)],
        augmentation=Augmentation([PadAndCrop(1)]),
    )
    distiller.compile(
        keras_css.SGD(0.05, weight_decay=5e-4),
        steps_per_execution=steps_a_call,
    )
    split = tiny.split(8 * STEPS + 4)
    batches = WeighedBatches(
        split,
        8,
        seed=0,
        num_draws=distiller.views.num_draws,
        resident=True,
    )
    # Two batches of five images and one of three.
    validation = EvaluationBatches(
        Split(split.images[:13], split.labels[:13]), 5
    )
    history, count = {}, CountCalls()
    for first, last in ((0, 2), (2, 3)):
        part = distiller.fit(
            batches,
            initial_epoch=first,
            epochs=last,
            shuffle=False,
            verbose=0,
            validation_data=validation,
            callbacks=[Shuffle(batches), count],
        )
        for name, values in part.history.items():
            history.setdefault(name, []).extend(values)
    variables = [*distiller.variables, *distiller.optimizer.variables]
    values = [keras.ops.convert_to_numpy(v) for v in variables]
    return distiller, history, values, count.calls


@pytest.fixture(scope="module")
def one_by_one():
    return train(1)


def assert_same(found, expected, **tolerance):
    assert found[1].keys() == expected[1].keys()
    for name, values in expected[1].items():
        np.testing.assert_allclose(found[1][name], values, **tolerance)
    for value, wanted in zip(found[2], expected[2], strict=True):
        np.testing.assert_allclose(value, wanted, **tolerance)


def test_three_steps_a_call_are_three_steps(one_by_one):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Your input ran out of data")
        found = train(3)
    assert (one_by_one[3], found[3]) == (3 * STEPS, 3 * 2)
    exact = keras.backend.backend() == "jax"
    assert_same(found, one_by_one, rtol=0 if exact else 1e-5)


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="the loop is a program on JAX only"
)
def test_a_loop_on_the_device_is_one_program(one_by_one, monkeypatch):
    """As on an accelerator: full and short calls run in the same program."""
    from keras_css.training.train_step import TrainStep

    monkeypatch.setattr(TrainStep, "on_accelerator", True)
    found = train(3)
    assert found[3] == 3 * 2
    assert_same(found, one_by_one, rtol=1e-4, atol=1e-5)
    distiller = found[0]
    assert distiller.train_function.programs == 1
    # Batches of five images and the batch of three.
    assert distiller.test_function.programs == 2


def test_prediction_needs_no_other_program(one_by_one):
    x, _ = tiny.images(13)
    distiller = one_by_one[0]
    expected = distiller.predict(x, batch_size=5, verbose=0)
    distiller.steps_per_execution = 3
    try:
        found = distiller.predict(x, batch_size=5, verbose=0)
    finally:
        distiller.steps_per_execution = 1
    for name, logits in expected.items():
        np.testing.assert_array_equal(found[name], logits)


def test_the_default_is_many_on_an_accelerator_that_holds_the_images():
    class Cohort:
        on_accelerator = True

    images, labels = np.zeros((90, 8, 8, 3), "uint8"), np.arange(90) % 2

    def decide(size=90, resident=True, asked=None):
        split = Split(images[:size], labels[:size])
        batches = TrainingBatches(split, 2, seed=0, resident=resident)
        return decide_steps_per_call(asked, Cohort, batches)

    assert (decide(), decide(12), decide(asked=5)) == (32, 6, 5)
    assert decide(resident=False) == 1
    Cohort.on_accelerator = False
    assert (decide(), decide(asked=5)) == (1, 5)
    with pytest.raises(keras_css.UserError, match="--steps_per_call"):
        decide(asked=0)


def test_no_steps_a_call_are_refused():
    with pytest.raises(keras_css.UserError, match="at least 1"):
        tiny.cohort().compile(steps_per_execution=0)
