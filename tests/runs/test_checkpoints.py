"""Damaged checkpoints are named, never loaded, and the one before is used."""

import json

import keras
import numpy as np
import pytest
import tiny

from keras_css import SGD
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.errors import NonFiniteLossError
from keras_css.errors import StoppedError
from keras_css.runs.checkpoints import Checkpoints
from keras_css.runs.checkpoints import read_state
from keras_css.runs.checkpoints import restore
from keras_css.runs.folder import RunFolder
from keras_css.runs.history import History

PLACES = 20


def cohort():
    distiller = OnlineDistiller([tiny.network(3), tiny.network(3)])
    distiller.compile(SGD(0.1, momentum=0.9))
    distiller.build((None, 8, 8, 3))
    distiller.optimizer.build(distiller.trainable_variables)
    return distiller


def write_checkpoints(folder, distiller, epochs=2, **options):
    """Leaves checkpoints whose first weight is full of their epoch."""
    folder.make_rooms()
    saved = Checkpoints(folder, History(folder), **options)
    saved.set_model(distiller)
    for epoch in range(epochs):
        first = distiller.trainable_variables[0]
        first.assign(keras.ops.full(first.shape, float(epoch + 1)))
        saved.on_epoch_begin(epoch)
        logs = {
            f"val_{name}/accuracy": 0.5
            for name in distiller.method.student_parts()
        }
        saved.on_epoch_end(epoch, logs)
    return saved


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    return folder


@pytest.fixture(scope="module")
def distiller():
    return cohort()


def loaded_epoch(distiller):
    values = keras.ops.convert_to_numpy(distiller.trainable_variables[0])
    assert np.ptp(values) == 0
    return values.flat[0]


def damages(content):
    """Yields 20 truncations and 20 single flipped bits of a file."""
    rng = np.random.default_rng(0)
    for length in rng.integers(0, len(content), PLACES):
        yield content[:length]
    for place in rng.integers(0, len(content), PLACES):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)


@pytest.mark.once
def test_damaged_weights_are_never_loaded(run, distiller):
    write_checkpoints(run, distiller)
    path = run.checkpoints / "epoch_0002.weights.h5"
    content = path.read_bytes()
    for damaged in damages(content):
        path.write_bytes(damaged)
        lines = []
        entries = restore(run, distiller, lines.append)
        assert f"checkpoint {path} is damaged" in lines[0]
        assert [entry["epoch"] for entry in entries] == [1]
        assert entries[0]["selected"]["epoch"] == 1, "as it was then"
        assert loaded_epoch(distiller) == 1
    path.write_bytes(content)
    assert len(restore(run, distiller, lines.append)) == 2
    assert loaded_epoch(distiller) == 2


@pytest.mark.once
def test_a_damaged_state_is_never_believed(run, distiller):
    write_checkpoints(run, distiller)
    path = run.checkpoints / "state.json"
    content = path.read_bytes()
    good, lines = read_state(run, None), []
    before = json.loads((run.checkpoints / "state_before.json").read_bytes())
    named = 0
    for damaged in damages(content):
        path.write_bytes(damaged)
        lines.clear()
        found = read_state(run, lines.append)
        if lines:
            named += 1
            assert lines == [f"{path} is damaged: trying the one before it"]
            assert found == before["epochs"]
        else:
            # What a flipped bit may change: a blank into another blank.
            assert found == good
    assert named >= 2 * PLACES - 2
    path.unlink()
    (run.checkpoints / "state_before.json").write_bytes(b"{")
    with pytest.raises(UserError, match="is damaged or missing"):
        read_state(run, lines.append)
    (run.checkpoints / "state_before.json").unlink()
    with pytest.raises(UserError, match="is damaged or missing"):
        restore(run, distiller, lines.append)


@pytest.mark.once
def test_nothing_intact_is_said(run, distiller):
    write_checkpoints(run, distiller)
    for path in run.checkpoints.glob("epoch_*.h5"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="all are damaged"):
        restore(run, distiller, lambda line: None)


@pytest.mark.once
def test_weights_that_are_not_finite_are_not_saved(run):
    distiller = cohort()
    saved = write_checkpoints(run, distiller, epochs=1)
    before = sorted(run.checkpoints.iterdir())
    variable = distiller.trainable_variables[0]
    variable.assign(keras.ops.full(variable.shape, float("inf")))
    with pytest.raises(NonFiniteLossError, match="in epoch 2"):
        saved.on_epoch_begin(1)
        saved.on_epoch_end(1, {})
    assert sorted(run.checkpoints.iterdir()) == before


@pytest.mark.once
def test_a_signal_saves_and_stops(run, distiller):
    class Signals:
        received, name, exit_code = 15, "SIGTERM", 143

    with pytest.raises(StoppedError, match="all saved") as caught:
        write_checkpoints(run, distiller, signals=Signals())
    assert caught.value.code == 143
    assert len(restore(run, distiller, lambda line: None)) == 1
