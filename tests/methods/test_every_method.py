"""What holds for every method of the registry, and for a user's own."""

import math

import keras
import numpy as np
import onnx
import pytest
import tiny

from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css import export_onnx
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import PadAndCrop
from keras_css.methods import CSS
from keras_css.methods import KD
from keras_css.methods import KDCL
from keras_css.methods import METHODS
from keras_css.methods import PCL
from keras_css.methods import OKDDip

RELEASED = "css released"
VIEWS = "css of rotated images"
LINEAR = "kdcl linear"
GENERAL = "kdcl general"
NAMES = [*METHODS.names(), RELEASED, VIEWS, LINEAR, GENERAL]


def cohort(name, **options):
    """Returns a compiled cohort of tiny networks, as the method has it."""
    if name == VIEWS:
        method = CSS()
        options["transformation"] = "rotation"
    elif name == RELEASED:
        method = CSS(variant="released")
    elif name in (LINEAR, GENERAL):
        method = KDCL(target=name.removeprefix("kdcl "))
    else:
        method = METHODS.get(name)()
    distiller = OnlineDistiller(
        [
            tiny.network(**{**method.network_defaults, **options})
            for _ in range(method.cohort_size)
        ],
        method,
        augmentation=Augmentation([PadAndCrop(1)]),
        teachers=tiny.teachers(method),
    )
    distiller.compile()
    return distiller


class SaveAfterTheFirstEpoch(keras.callbacks.Callback):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.model.save(self.path)


@pytest.mark.once
@pytest.mark.parametrize("name", NAMES)
def test_trains_saves_goes_on_and_ships(name, tmp_path):
    distiller = cohort(name)
    # Compiled steps of every method are those of tests/parity.
    distiller.compile(run_eagerly=True)
    x, y = tiny.images(8)
    options = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    path = tmp_path / "cohort.keras"
    history = distiller.fit(
        x,
        y,
        validation_data=(x, y),
        callbacks=[SaveAfterTheFirstEpoch(path)],
        **options,
    ).history
    assert all(np.isfinite(values).all() for values in history.values())
    students = distiller.predict(x, verbose=0)
    assert {f"{student}/accuracy" for student in students} <= set(history)

    again = keras.saving.load_model(path)
    again.teach_with(distiller.teachers)
    # One-hot rows are those classes, whatever a method does with labels.
    again.fit(x, np.eye(4, dtype="float32")[y], initial_epoch=1, **options)
    for found, weight in zip(again.weights, distiller.weights, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(found),
            keras.ops.convert_to_numpy(weight),
            rtol=1e-3,
            atol=1e-4,
            err_msg=weight.path,
        )

    ships = next(iter(distiller.method.student_parts()))
    student = distiller.student(ships)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(student(x)),
        students[ships],
        # DIST's logits are in the thousands: these images are too much alike.
        rtol=1e-5,
        atol=1e-5,
    )
    # The plain backbone, its BatchNorm folded: two convolutions and a head.
    assert student.count_params() == (9 + 1) * 8 + (72 + 1) * 6 + 7 * 4


def test_averages_follow_the_steps_of_a_training():
    """Steps 0 to 2 have d = 0, 1/2, 2/3: the mean of the weights so far."""
    distiller = cohort("pcl")
    x, y = tiny.images(4)
    seen = []
    for _ in range(3):
        distiller.train_on_batch(x, y)
        head = distiller.networks[0].heads[0].kernel
        seen.append(keras.ops.convert_to_numpy(head))
    assert float(distiller.method.step.value) == 3
    assert np.abs(seen[2] - seen[0]).max() > 0
    copy = distiller.method.own_networks["ema"]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(copy.heads[0].kernel),
        np.mean(seen, axis=0),
        atol=1e-6,
    )


def test_independent_trains_a_main_branch_too():
    networks = [tiny.network(main_branch=True)]
    distiller = OnlineDistiller(networks, "independent")
    distiller.compile()
    x, y = tiny.images(4)
    distiller.build((None, *x.shape[1:]))
    before = [w.copy() for w in networks[0].heads[-1].get_weights()]
    logs = distiller.train_on_batch(x, y, return_dict=True)
    total = logs["network_a/ce"] + logs["network_a/main_ce"]
    assert float(logs["loss"]) == pytest.approx(float(total), rel=1e-5)
    after = networks[0].heads[-1].get_weights()
    assert not np.array_equal(after[0], before[0])


def test_hssakd_ships_what_it_measures_under_a_transformation():
    distiller = cohort("hssakd", transformation="corner_erase")
    x, _ = tiny.images(4)
    name = "network_a/branch_0"
    expected = distiller.predict(x, verbose=0)[name]
    student = distiller.student(name)
    found = student.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.once
@pytest.mark.parametrize(
    ("method", "student"),
    [
        (OKDDip(), "network_a/leader"),
        (PCL(), "ema"),
        (CSS(variant="main_branch"), "network_b/main"),
    ],
    ids=["okddip", "pcl", "css"],
)
def test_what_a_method_ships_becomes_a_proven_file(method, student, tmp_path):
    networks = [
        tiny.network(**method.network_defaults)
        for _ in range(method.cohort_size)
    ]
    teachers = tiny.teachers(KD())
    distiller = OnlineDistiller(networks, method, teachers=teachers)
    x, _ = tiny.images(8)
    distiller.build((None, *x.shape[1:]))
    for network in [*networks, *method.own_networks.values()]:
        tiny.shake(network)
    shipped, path = distiller.student(student), tmp_path / "student.onnx"
    report = export_onnx(shipped, path, images=x)
    assert report["student"] == student
    # Nothing of a gate, an attention or a teacher; a few shapes come with it.
    parts = onnx.load(path).graph.initializer
    numbers = sum(math.prod(part.dims) for part in parts)
    assert 0 <= numbers - shipped.count_params() < 50, numbers


def test_a_method_serves_one_cohort():
    method = METHODS.get("dml")()
    networks = [tiny.network(**method.network_defaults) for _ in range(4)]
    OnlineDistiller(networks[:2], method)
    with pytest.raises(UserError, match="serves one cohort"):
        OnlineDistiller(networks[2:], method)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dml", {"num_branches": 2}, "DML needs networks of 1 branch,"),
        ("pcl", {"num_branches": 1}, "PCL needs networks of at least 2"),
        ("one", {"num_branches": 3, "joint_labels": True}, "plain branches"),
        ("okddip", {"num_branches": 2}, "two peers and a leader"),
    ],
)
def test_networks_that_do_not_suit_are_refused(name, options, message):
    method = METHODS.get(name)()
    settings = {**method.network_defaults, **options}
    networks = [tiny.network(**settings) for _ in range(method.cohort_size)]
    with pytest.raises(UserError, match=message):
        OnlineDistiller(networks, method)
