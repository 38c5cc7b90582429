"""Methods that look inside a teacher: what they ask, keep and refuse."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.backbones import CifarResNet
from keras_css.methods import SSKD
from keras_css.methods import ChannelDistillation
from keras_css.methods.sskd import best_ranked
from keras_css.networks import MultiBranchNetwork
from keras_css.teachers import Teacher
from keras_css.teachers import teacher_of

numpy = keras.ops.convert_to_numpy
PLAIN = SSKD.network_defaults


def teacher(**options):
    """Returns a teacher of a shaken network, its first branch."""
    network = tiny.network(**{**PLAIN, **options})
    cohort = OnlineDistiller([network], "independent")
    cohort.build((None, 8, 8, 1))
    tiny.shake(network)
    return teacher_of(cohort, "network_a/branch_0")


def keras_model():
    """Returns a classifier of another width, its stages named by layers."""
    images = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(5, 3, activation="relu", name="first")(images)
    x = keras.layers.Conv2D(7, 3, activation="relu", name="second")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(4, "softmax")(x))


def taught(method, *teachers):
    distiller = OnlineDistiller(
        [tiny.network(**PLAIN)], method, teachers=teachers
    )
    distiller.compile()
    return distiller


@pytest.mark.parametrize("batches", [False, True])
def test_a_teacher_inside_stays_as_it_is(batches):
    method = ChannelDistillation(alone_epochs=0, batch_statistics=batches)
    distiller = taught(method, teacher())
    (opened,) = distiller.teachers
    before = opened.model.get_weights()
    x, y = tiny.images(8)
    distiller.build((None, 8, 8, 1))
    outputs = distiller(x, training=True)
    expected = method.compute_losses(
        outputs, keras.ops.convert_to_tensor(y), training=True
    )
    logs = distiller.train_on_batch(x, y, return_dict=True)
    for name in ("loss", "network_a/gkd", "network_a/channels"):
        assert float(logs[name]) == pytest.approx(
            float(numpy(expected[name])), rel=1e-4
        )
    for old, new in zip(before, opened.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    own = {id(weight) for weight in distiller.weights}
    assert not any(id(weight) in own for weight in opened.variables)
    said = opened.look(x)[0]
    np.testing.assert_allclose(
        numpy(said), numpy(opened.closed.logits(x)), atol=1e-4
    )


@pytest.mark.once
def test_layers_of_any_keras_model_by_name():
    model = keras_model()
    channels = ChannelDistillation(teacher_layers="second")
    taught(channels, model)
    assert channels.teacher_widths == [7]
    sskd = SSKD()
    taught(sskd, model).build((None, 8, 8, 1))
    # What its classifier takes.
    assert sskd.teacher_module.layers[0].units == 7
    chosen = SSKD(teacher_layers="first")
    (opened,) = taught(chosen, model).teachers
    x, _ = tiny.images(4)
    _, (features,) = opened.look(x)
    first = keras.Model(model.input, model.get_layer("first").output)(x)
    np.testing.assert_allclose(
        numpy(features), numpy(first).mean((1, 2)), atol=1e-5
    )
    joint = teacher(num_branches=2, joint_labels=True)
    (opened,) = taught(ChannelDistillation(), joint).teachers
    np.testing.assert_allclose(
        numpy(opened.logits(x)), numpy(joint.logits(x)), atol=1e-4
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        (ChannelDistillation, [], "received no layers"),
        (lambda: ChannelDistillation(teacher_layers="secnod"), [], "mean seco"),
        (
            lambda: ChannelDistillation(teacher_layers="first,second"),
            [],
            "must have the 1 of network_a, received 2",
        ),
        (SSKD, [keras_model], "looks inside one teacher, received 2"),
    ],
)
def test_teachers_that_do_not_suit_are_refused(method, given, message):
    if message.startswith("received no"):
        message = "one branch of a run's network, whose stages are known"
    models = [keras_model(), *(make() for make in given)]
    with pytest.raises(UserError, match=message):
        taught(method(), *models)


@pytest.mark.once
def test_one_teacher_after_another_needs_its_widths():
    distiller = taught(ChannelDistillation(), teacher())
    distiller.build((None, 8, 8, 1))
    distiller.teach_with([teacher()])
    other = Teacher(keras_model())
    distiller.method.teacher_layers = "second"
    with pytest.raises(UserError, match=r"widths \[6\], as the one before"):
        distiller.teach_with([other])
    late = taught(SSKD())
    late.build((None, 8, 8, 1))
    with pytest.raises(UserError, match="give it to OnlineDistiller"):
        late.teach_with([teacher()])
    networks = [MultiBranchNetwork(CifarResNet("basic", (1, 1, 1)), 4, **PLAIN)]
    with pytest.raises(UserError, match="the 3 of network_a, received 1"):
        OnlineDistiller(networks, ChannelDistillation(), teachers=[teacher()])


def test_the_module_teaches_when_its_stage_is_over():
    method = SSKD(module_epochs=1, wait=True)
    distiller = taught(method, teacher())
    distiller.compile(keras.optimizers.SGD(0.1))
    x, y = tiny.images(8)
    distiller.build((None, 8, 8, 1))
    kernel = distiller.networks[0].heads[0].kernel
    at_first = numpy(kernel).copy(), method.teacher_module.get_weights()
    learned = []
    for epoch in (0.0, 1.0):
        distiller.epoch.assign(epoch)
        logs = distiller.train_on_batch(x, y, return_dict=True)
        learned.append(method.teaching_module.get_weights())
        waits = np.array_equal(numpy(kernel), at_first[0])
        assert waits == (epoch == 0.0)
    assert float(logs["network_a/ss"]) > 0
    assert not np.array_equal(learned[0][0], at_first[1][0])
    for before, after in zip(*learned, strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_best_ranked_of_the_wrong_rows_are_kept():
    rank = keras.ops.convert_to_tensor(np.array([3, 0, 1, 1, 0, 1], "int32"))
    for ratio, kept in ((0.0, [1, 4]), (0.5, [1, 2, 3, 4]), (1.0, range(6))):
        found = np.flatnonzero(numpy(best_ranked(rank, ratio)))
        assert found.tolist() == list(kept)
