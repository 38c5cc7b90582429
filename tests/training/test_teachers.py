"""Teachers in a cohort: frozen, inside the step, and in nothing that ships."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.methods.losses import kl_divergence
from keras_css.teachers import Teacher
from keras_css.training import re_estimate_statistics

numpy = keras.ops.convert_to_numpy


def teacher(**options):
    """Returns a student that was cut out of a shaken network."""
    network = tiny.network(num_branches=1, transformation="none", **options)
    cohort = OnlineDistiller([network], "independent")
    cohort.build((None, 8, 8, 1))
    tiny.shake(network)
    return cohort.student("network_a/branch_0")


def taught(**options):
    networks = [tiny.network(num_branches=1, transformation="none")]
    distiller = OnlineDistiller(networks, "independent", **options)
    distiller.compile()
    return distiller


def test_a_teacher_is_frozen_and_no_part_of_the_cohort(tmp_path):
    model = teacher()
    before = [numpy(w).copy() for w in model.weights]
    distiller = taught(teachers=[model], teacher_weight=2.0)
    x, y = tiny.images(8)
    history = distiller.fit(
        x, y, batch_size=4, verbose=0, validation_data=(x, y)
    ).history
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(weight), value)
    alone = taught()
    alone.build((None, 8, 8, 1))
    assert distiller.count_params() == alone.count_params()
    for ours, plain in (
        (distiller.weights, alone.weights),
        (distiller.trainable_variables, alone.trainable_variables),
    ):
        assert [v.shape for v in ours] == [v.shape for v in plain]
    terms = [history[f"val_network_a/{name}"][0] for name in ("ce", "teacher")]
    loss = terms[0] + 2 * terms[1]
    assert history["val_loss"][0] == pytest.approx(loss, rel=1e-4)

    distiller.save(tmp_path / "cohort.keras")
    loaded = keras.saving.load_model(tmp_path / "cohort.keras")
    assert not loaded._teachers
    loaded.evaluate(x, y, verbose=0)
    loaded.teach_with([model])
    found = loaded.evaluate(x, y, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(history["val_loss"][0], rel=1e-4)


def test_each_branch_learns_from_the_teacher():
    model = teacher()
    distiller = OnlineDistiller(
        [tiny.network(), tiny.network()], "independent", teachers=[model] * 2
    )
    distiller.compile()
    x, y = tiny.images(4)
    logs = distiller.test_on_batch(x, y, return_dict=True)
    outputs = distiller(x)["network_a"]["logits"]
    said = keras.ops.convert_to_tensor(model(x))
    kl = [
        keras.ops.mean(kl_divergence(said, outputs[:, i::3, i], 4.0))
        for i in range(3)
    ]
    expected = 16 * np.mean([float(one) for one in kl])
    assert float(logs["network_a/teacher"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.once
def test_no_teacher_computes_where_statistics_are_taken(monkeypatch):
    distiller = taught(teachers=[teacher()])
    x, y = tiny.images(4)
    distiller.build((None, *x.shape[1:]))
    moved = [numpy(w).copy() for w in distiller.networks[0].weights]
    monkeypatch.delattr(Teacher, "logits")
    re_estimate_statistics(distiller, [(x, y)])
    pairs = zip(moved, distiller.networks[0].weights)
    assert not all(np.array_equal(one, numpy(other)) for one, other in pairs)


@pytest.mark.once
def test_probabilities_become_logits_and_images_its_own_size():
    bare = teacher()
    for ending in (
        keras.layers.Softmax(),
        # One that nothing recognises.
        lambda z: keras.ops.exp(z - keras.ops.logsumexp(z, 1, keepdims=True)),
    ):
        model = keras.Model(bare.inputs[0], ending(bare.outputs[0]))
        x, _ = tiny.images(4)
        found = numpy(Teacher(model).logits(x))
        expected = numpy(keras.ops.log_softmax(bare(x)))
        np.testing.assert_allclose(
            found - found.mean(1, keepdims=True),
            expected - expected.mean(1, keepdims=True),
            atol=1e-4,
        )
    assert Teacher(bare).logits(np.zeros((2, 16, 16, 1))).shape == (2, 4)


@pytest.mark.once
def test_what_cannot_teach_is_refused():
    with pytest.raises(
        UserError, match="cohort's 4 classes, received one of 3"
    ):
        taught(teachers=[teacher(num_classes=3)])
    with pytest.raises(UserError, match="must be a functional Keras model"):
        taught(teachers=["resnet20"])
    strange = Teacher(teacher(), class_names=list("abdc"))
    with pytest.raises(UserError, match="received 'd' where they have 'c'"):
        strange.check(4, list("abcd"))
