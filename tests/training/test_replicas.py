"""A cohort trains once: strategies of one replica do, more are refused."""

import contextlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css import UserError
from keras_css.training.replicas import batch_sizes
from keras_css.training.replicas import refuse_processes
from keras_css.training.train_step import processes

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="strategies")
# In a process of its own: devices are made once.
ENVIRONMENT = {
    **os.environ,
    "KERAS_BACKEND": BACKEND,
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    "PYTHONPATH": os.pathsep.join(sys.path),
}


def made():
    return keras_css.OnlineDistiller([tiny.network(), tiny.network()])


def losses(distiller):
    x, y = tiny.images(16)
    history = distiller.fit(
        *(x, y, 8),
        epochs=2,
        shuffle=False,
        verbose=0,
        validation_data=(x, y),
    )
    return history.history["loss"]


def seeded(scope, places):
    """Returns a cohort whose parts were made in or out of a scope."""
    keras_css.training.seed.set_seed(0)

    def place(part):
        return scope() if part in places else contextlib.nullcontext()

    with place("networks"):
        networks = [tiny.network(), tiny.network()]
    if "built" in places:
        with scope():
            for network in networks:
                network.build((None, 8, 8, 1))
    with place("cohort"):
        method = keras_css.methods.CSS(variant="released")
        distiller = keras_css.OnlineDistiller(networks, method)
    with place("optimizer"):
        optimizer = keras_css.SGD(0.05, momentum=0.9)
    with place("compile"):
        distiller.compile(optimizer)
    return distiller


@on_tensorflow
@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ("OneDeviceStrategy", "networks cohort optimizer compile"),
        ("MirroredStrategy", "networks built"),
        ("MirroredStrategy", "cohort optimizer compile"),
    ],
)
def test_what_was_made_in_a_scope_trains_outside(kind, places):
    """To the numbers that it reaches without a strategy."""
    import tensorflow as tf

    device = "CPU:0" if kind == "OneDeviceStrategy" else ["CPU:0"]
    strategy = getattr(tf.distribute, kind)(device)
    places = places.split()
    distiller = seeded(strategy.scope, places)
    # No iterator of the strategy's own: suspected of a crash.
    distribute = distiller.distribute_strategy.experimental_distribute_dataset
    assert isinstance(distribute(tf.data.Dataset.range(1)), tf.data.Dataset)
    found = losses(distiller)
    expected = losses(seeded(contextlib.nullcontext, places))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    x, y = tiny.images(16)
    assert np.isfinite(distiller.train_on_batch(x, y)).all()


@on_tensorflow
def test_a_cohort_is_loaded_in_a_scope_and_goes_on(tmp_path):
    import tensorflow as tf

    distiller = made()
    distiller.compile(keras_css.SGD(0.05, momentum=0.9))
    losses(distiller)
    distiller.save(tmp_path / "cohort.keras")
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        loaded = keras.saving.load_model(tmp_path / "cohort.keras")
    np.testing.assert_allclose(losses(loaded), losses(distiller), rtol=1e-4)


TWO_REPLICAS = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
import tiny, keras_css
x, y = tiny.images(16)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    inside = keras_css.OnlineDistiller([tiny.network(), tiny.network()])
    inside.compile()
outside = tiny.cohort()
for call in (
    lambda: inside.fit(x, y, verbose=0),
    lambda: inside.train_on_batch(x, y),
    lambda: outside.fit(x, y, verbose=0),
    lambda: inside.evaluate(x, y, verbose=0),
    lambda: inside.test_on_batch(x, y),
):
    try:
        with strategy.scope():
            call()
    except keras_css.UserError as error:
        print("refused:", error)
"""


@on_tensorflow
def test_two_replicas_are_refused():
    """Their gradients were added up: twice the rate, without a word."""
    lines = refusals(TWO_REPLICAS)
    assert len(lines) == 5
    assert all("one replica" in line for line in lines)
    assert all("Received: 2 replicas" in line for line in lines)


UNEVEN = """
import keras, numpy as np, tiny, keras_css
from keras_css.data.batches import TrainingBatches
x, y = tiny.images(32)
early = tiny.cohort()
early.build((None, 8, 8, 1))
alone = tiny.cohort().fit(x, y, 8, shuffle=False, verbose=0).history["loss"]
devices = keras.distribution.list_devices("cpu")
parallel = keras.distribution.DataParallel(devices=devices)
keras.distribution.set_distribution(parallel)
both = tiny.cohort().fit(x, y, 8, shuffle=False, verbose=0).history["loss"]
np.testing.assert_allclose(both, alone, rtol=1e-5)
d = tiny.cohort()
# The images of a resident set lie whole on each device.
batches = TrainingBatches(
    tiny.split(33), 8, 0, d.views.num_draws, resident=True
)
d.fit(batches, shuffle=False, verbose=0)

def generator(*sizes):
    for size in sizes:
        yield x[:size], y[:size]

before = d.get_weights()
for call in (
    lambda: d.fit(x, y, 9, verbose=0),
    lambda: d.fit(x[:31], y[:31], 8, verbose=0),
    lambda: d.fit(x, y, 8, validation_data=(x[:31], y[:31]), verbose=0),
    lambda: d.fit(x, y, 8, validation_split=0.02, verbose=0),
    lambda: d.fit(generator(9, 8), verbose=0),
    lambda: d.evaluate(x[:31], y[:31], verbose=0),
    lambda: d.evaluate(generator(9, 8), verbose=0),
    lambda: d.evaluate(generator(8, 9), verbose=0),
    lambda: d.predict(x[:31], verbose=0),
    lambda: d.train_on_batch(x[:9], y[:9]),
):
    try:
        call()
    except keras_css.UserError as error:
        print("refused:", error)
    for value, kept in zip(d.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)
try:
    early.fit(x, y, verbose=0)
except keras_css.UserError as error:
    print("refused:", error)
"""


@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution is for JAX")
def test_batches_that_devices_cannot_share_are_refused_and_nothing_is_lost():
    *uneven, early = refusals(UNEVEN)
    assert len(uneven) == 10
    assert all("a multiple of 2 images" in line for line in uneven)
    assert "before networks are made" in early


def refusals(code):
    """Returns the lines of errors that a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [line for line in lines if line.startswith("refused: ")]


class Breaking(keras.utils.PyDataset):
    def __init__(self, *batch):
        super().__init__()
        self.batch, self.broken = batch, False

    def __len__(self):
        return 1

    def __getitem__(self, index):
        if self.broken:
            raise OSError("the disk went away")
        return self.batch


class BreakInStep(keras.callbacks.Callback):
    def __init__(self, data):
        super().__init__()
        self.data = data

    def break_it(self, batch, logs=None):
        self.data.broken = True

    on_train_batch_begin = on_test_batch_begin = break_it
    on_predict_batch_begin = break_it


@pytest.mark.skipif(BACKEND != "jax", reason="Keras takes the weights out")
def test_an_error_in_the_first_step_leaves_the_weights():
    distiller = made()
    distiller.compile(keras_css.SGD(0.05))
    x, y = tiny.images(8)
    distiller.fit(x, y, verbose=0)
    before = distiller.get_weights()

    data = Breaking(x, y)
    for call in (distiller.fit, distiller.evaluate, distiller.predict):
        data.broken = False
        with pytest.raises(OSError, match="went away"):
            call(data, verbose=0, callbacks=[BreakInStep(data)])
        for value, kept in zip(distiller.get_weights(), before, strict=True):
            np.testing.assert_array_equal(value, kept)


def test_several_processes_are_refused(monkeypatch, tmp_path):
    if BACKEND == "torch":
        monkeypatch.setenv("WORLD_SIZE", "2")
    elif BACKEND == "tensorflow":
        cluster = {"worker": ["localhost:1", "localhost:2"]}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster}))
    else:
        import jax

        monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert processes() == 2
    distiller = made()
    distiller.compile()
    x, y = tiny.images(8)
    for call in (distiller.fit, distiller.train_on_batch):
        with pytest.raises(UserError, match="Received: 2 processes"):
            call(x, y)
    assert not distiller.built
    # A command refuses before it writes.
    from keras_css.runs.train import train

    with pytest.raises(UserError, match="one process"):
        train(None, tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(BACKEND != "torch", reason="is about torch.distributed")
def test_processes_that_found_each_other_are_counted(monkeypatch):
    import torch

    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    for size in (1, 3):
        monkeypatch.setattr(
            torch.distributed, "get_world_size", lambda size=size: size
        )
        assert processes() == size


@pytest.mark.once
def test_one_process_is_not_refused(monkeypatch):
    for value in ("", "1", "many", "{", "[]", '{"cluster": {}}'):
        monkeypatch.setenv("WORLD_SIZE", value)
        monkeypatch.setenv("TF_CONFIG", value)
        refuse_processes(processes())


@pytest.mark.once
def test_the_sizes_of_batches():
    x = np.zeros((10, 2))
    assert batch_sizes(x, 4) == {4, 2}
    assert batch_sizes(x, 5) == {5}
    assert batch_sizes(x) == {10}
    assert batch_sizes(None) == batch_sizes(iter(())) == set()
