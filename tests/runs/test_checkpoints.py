"""Damaged checkpoints are named, never loaded, and the one before is used."""

import errno
import json
import resource
import time

import keras
import numpy as np
import pytest
import tiny

from keras_css import SGD
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.errors import NonFiniteLossError
from keras_css.errors import StoppedError
from keras_css.runs import checkpoints
from keras_css.runs.checkpoints import Checkpoints
from keras_css.runs.checkpoints import load_selected
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


def begun(folder, distiller, epochs, *entries, minutes=10, **options):
    """Returns the checkpoints of a training that has begun."""
    folder.make_rooms()
    history = History(folder)
    saved = Checkpoints(folder, history, *entries, minutes=minutes, **options)
    saved.set_model(distiller)
    saved.set_params({"epochs": epochs, "steps": 1})
    saved.on_train_begin()
    return saved


def write_checkpoints(folder, distiller, epochs=2, **options):
    """Leaves checkpoints whose first weight is full of their epoch."""
    saved = begun(folder, distiller, epochs, minutes=0, **options)
    for epoch in range(epochs):
        end_epoch(saved, epoch + 1, accuracy=0.5)
    return saved


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    return folder


@pytest.fixture(scope="module")
def distiller():
    return cohort()


def end_epoch(saved, epoch, accuracy):
    """Ends an epoch whose first weight is full of its number."""
    first = saved.model.trainable_variables[0]
    first.assign(keras.ops.full(first.shape, float(epoch)))
    saved.on_epoch_begin(epoch - 1)
    saved.on_epoch_end(epoch - 1, logs_of(saved.model, accuracy))


def logs_of(distiller, accuracy):
    """Returns an epoch's logs in which all students are equally accurate."""
    students = distiller.method.student_parts()
    return {f"val_{name}/accuracy": accuracy for name in students}


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
    path = run.checkpoints / "epoch_0002.npz"
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
def test_a_damaged_state_never_takes_the_place_of_the_one_before(
    run, distiller
):
    write_checkpoints(run, distiller)
    (run.checkpoints / "state.json").write_bytes(b"{")
    entries = restore(run, distiller, lambda line: None)
    assert [entry["epoch"] for entry in entries] == [1]
    saved = begun(run, distiller, 3, entries, minutes=0)
    end_epoch(saved, 2, accuracy=0.5)
    for damaged in ("state.json", "state_before.json"):
        content = (run.checkpoints / damaged).read_bytes()
        (run.checkpoints / damaged).write_bytes(b"{")
        kept = restore(run, distiller, lambda line: None)
        assert [entry["epoch"] for entry in kept][:1] == [1]
        (run.checkpoints / damaged).write_bytes(content)


@pytest.mark.once
def test_nothing_intact_is_said(run, distiller):
    write_checkpoints(run, distiller)
    for path in run.checkpoints.glob("epoch_*.npz"):
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
        saved.on_epoch_end(1, logs_of(distiller, accuracy=0.0))
    assert sorted(run.checkpoints.iterdir()) == before


@pytest.mark.once
def test_a_signal_saves_and_stops(run, distiller):
    class Signals:
        received, name, exit_code = 15, "SIGTERM", 143

    with pytest.raises(StoppedError, match="all saved") as caught:
        write_checkpoints(run, distiller, signals=Signals())
    assert caught.value.code == 143
    assert len(restore(run, distiller, lambda line: None)) == 1


@pytest.mark.once
def test_epochs_shorter_than_fifty_checkpoints_are_not_all_saved(
    run, distiller, monkeypatch
):
    now = [0.0]

    def save_in_two_seconds(path, values):
        now[0] += 2
        path.touch()

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoints, "save_values", save_in_two_seconds)
    saved = begun(run, distiller, 300)
    done = []
    for epoch in range(1, 301):
        now[0] += 3
        end_epoch(saved, epoch, accuracy=0.5)
        if saved.entries[-1]["epoch"] == epoch:
            done.append(epoch)
    assert done[0] == 1
    assert done[-1] == 300, "the last epoch always"
    # The first takes four seconds with the preferred epoch's weights, the
    # others, too: they are 2 % of 200, which are 67 epochs of three.
    assert done[1:-1] == list(range(68, 300, 67))


@pytest.mark.once
def test_every_epoch_is_saved_where_a_rollback_may_need_it(run, distiller):
    saved = begun(run, distiller, 9, every_epoch=True)
    saved.save_seconds = 1000.0
    for epoch in (1, 2):
        end_epoch(saved, epoch, accuracy=0.5)
    assert [entry["epoch"] for entry in saved.entries] == [1, 2]


@pytest.mark.once
def test_the_preferred_epoch_is_not_lost_between_checkpoints(run, distiller):
    saved = begun(run, distiller, 4)
    saved.save_seconds = 1000.0
    for epoch, accuracy in ((1, 0.5), (2, 0.9), (3, 0.7)):
        end_epoch(saved, epoch, accuracy)
    assert not saved.entries, "too dear"
    end_epoch(saved, 4, accuracy=0.8)
    assert [entry["epoch"] for entry in saved.entries] == [4]
    restore(run, distiller, lambda line: None)
    assert loaded_epoch(distiller) == 4
    assert saved.selected["accuracy"] == 0.9
    assert load_selected(run, distiller, saved.selected) == 2
    assert loaded_epoch(distiller) == 2
    (run.checkpoints / saved.selected["file"]).write_bytes(b"PK")
    assert load_selected(run, distiller, saved.selected) is None
    assert loaded_epoch(distiller) == 2, "nothing was loaded"


@pytest.mark.once
def test_a_full_disk_is_an_error_and_what_was_saved_stays(run, distiller):
    saved = write_checkpoints(run, distiller, epochs=1)
    before = sorted(run.checkpoints.iterdir())
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a disk without room does it, but for the number of the error.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
    try:
        with pytest.raises(OSError) as caught:
            end_epoch(saved, 2, accuracy=0.9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert caught.value.errno == errno.EFBIG
    assert sorted(run.checkpoints.iterdir()) == before
    assert len(restore(run, distiller, lambda line: None)) == 1
    assert loaded_epoch(distiller) == 1


@pytest.mark.once
def test_a_run_that_ends_within_its_first_checkpoint_has_none(run, distiller):
    begun(run, distiller, 2, minutes=0)
    # Written, but not yet in the state.
    (run.checkpoints / "epoch_0001.npz").write_bytes(b"PK")
    lines = []
    assert restore(run, distiller, lines.append) == []
    assert "starting from the beginning" in lines[-1]


@pytest.mark.once
def test_the_file_of_another_cohort_is_refused_whole(run, distiller):
    write_checkpoints(run, distiller)
    other = OnlineDistiller([tiny.network(2), tiny.network(2)])
    other.compile(SGD(0.1, momentum=0.9))
    other.build((None, 8, 8, 3))
    other.optimizer.build(other.trainable_variables)
    values = other.get_weights()
    with pytest.raises(UserError, match=r"must hold the \d+ variables of this"):
        restore(run, other, lambda line: None)
    for own, expected in zip(other.get_weights(), values):
        np.testing.assert_array_equal(own, expected)


def test_what_is_derived_from_weights_is_restored_with_them(run):
    """Normalization computes with statistics that are no weights."""

    def normalised(adapted):
        layer = keras.layers.Normalization()
        if adapted:
            layer.adapt(tiny.images()[0] * 3 + 5)
        made = OnlineDistiller(
            [tiny.network(preprocessing=layer)], "independent"
        )
        made.compile(SGD(0.1, momentum=0.9))
        made.build((None, 8, 8, 1))
        made.optimizer.build(made.trainable_variables)
        return made

    trained, resumed = normalised(True), normalised(False)
    write_checkpoints(run, trained)
    entries = restore(run, resumed, lambda line: None)
    x, _ = tiny.images()

    def check():
        expected = trained(x)["network_a"]["logits"]
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(resumed(x)["network_a"]["logits"]),
            keras.ops.convert_to_numpy(expected),
            atol=1e-5,
        )

    check()
    resumed = normalised(False)
    load_selected(run, resumed, entries[-1]["selected"])
    trained.trainable_variables[0].assign(resumed.trainable_variables[0])
    check()
