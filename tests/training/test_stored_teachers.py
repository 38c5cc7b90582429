"""What teachers say, computed once: the same training as with them beside."""

import dataclasses

import keras
import numpy as np
import pytest
import tiny

from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import PadAndCrop
from keras_css.data.batches import EvaluationBatches
from keras_css.data.batches import Shuffle
from keras_css.data.batches import TrainingBatches
from keras_css.data.dataset import Dataset
from keras_css.data.dataset import Recipe
from keras_css.methods import KD
from keras_css.runs import RunConfig
from keras_css.runs.folder import RunFolder
from keras_css.runs.run import Run
from keras_css.runs.teacher_outputs import TeacherOutputs
from keras_css.runs.teacher_outputs import store_outputs
from keras_css.training.seed import set_seed

numpy = keras.ops.convert_to_numpy
SHAPE = (6, 4, 1, 2)


def trained(folder, stored):
    """Returns history and weights after two epochs of two views, and the run.

    KDCL has a view for each network, and its teacher teaches beside it.
    """
    set_seed(0)
    networks = [
        tiny.network(num_branches=1, transformation="none") for _ in range(2)
    ]
    teachers = tiny.teachers(KD())
    tiny.shake(teachers[0].model)
    distiller = OnlineDistiller(
        networks,
        "kdcl",
        augmentation=Augmentation([PadAndCrop(1)]),
        teachers=teachers,
    )
    distiller.compile()
    distiller.said_is_stored = stored
    train, validation = tiny.split(8), tiny.split(5, seed=1)
    batches = TrainingBatches(
        *(train, 4, 0, distiller.views.num_draws, True), num_views=2
    )
    about = {"content": {}}
    dataset = Dataset(
        *(tuple("abcd"), train, validation, validation, Recipe()),
        *(([0.5], [0.5]), True, about),
    )
    config = RunConfig(teacher=("x",), teacher_views=2, batch_size=4)
    lines = []
    run = Run(
        RunFolder(folder), config, dataset, distiller, batches, lines.append
    )
    found = store_outputs(run) or EvaluationBatches(validation, 4)
    history = distiller.fit(
        batches,
        shuffle=False,
        epochs=2,
        validation_data=found,
        callbacks=[Shuffle(batches)],
        verbose=0,
    ).history
    return history, [numpy(w) for w in distiller.weights], run, lines


def test_stored_and_live_teachers_train_alike(tmp_path):
    live, weights, _, lines = trained(tmp_path, False)
    assert not lines
    stored, others, run, lines = trained(tmp_path, True)
    assert "of 21 images is computed once" in lines.pop()
    for name, values in live.items():
        np.testing.assert_allclose(stored[name], values, rtol=2e-3, atol=1e-3)
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-2, atol=1e-3)
    assert store_outputs(run)
    assert not lines, "computed again"
    config = dataclasses.replace(run.config, seed=1)
    with pytest.raises(UserError, match="that of other views"):
        store_outputs(dataclasses.replace(run, config=config))


@pytest.mark.once
def test_views_that_cannot_be_stored_are_refused():
    with pytest.raises(UserError, match="received no --teacher: give one"):
        RunConfig(teacher_views=1)
    with pytest.raises(UserError, match="--cutmix make new ones"):
        RunConfig(teacher=["x"], teacher_views=1, cutmix=1.0)


@pytest.mark.once
def test_rows_that_were_saved_are_not_computed_again(tmp_path):
    path, about = tmp_path / "said.f16", {"images": "ours"}
    rows = np.arange(48, dtype="float32").reshape(SHAPE)
    first = TeacherOutputs(path, about, SHAPE)
    first.append(rows[:2])
    first.save()
    # Killed here: this row was never promised.
    first.append(rows[2:3] + 7)
    second = TeacherOutputs(path, about, SHAPE)
    assert second.missing == 4
    second.append(rows[2:])
    second.save()
    whole = TeacherOutputs(path, about, SHAPE)
    assert whole.missing == 0
    np.testing.assert_array_equal(whole.take(np.array([5, 0])), rows[[5, 0]])

    with pytest.raises(UserError, match="received that of other images"):
        TeacherOutputs(path, {"images": "others"}, SHAPE)
    with pytest.raises(UserError, match="finite numbers"):
        TeacherOutputs(tmp_path / "new.f16", about, SHAPE).append(rows + 1e6)
    changed = bytearray(path.read_bytes())
    changed[3] ^= 1
    for damaged in (bytes(changed), path.read_bytes()[:-2]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged: remove both"):
            TeacherOutputs(path, about, SHAPE)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(UserError, match="is damaged: remove both"):
        TeacherOutputs(path, about, SHAPE)
