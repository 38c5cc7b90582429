"""BatchNorm's statistics fit the weights, however few the steps were."""

import keras
import numpy as np
import pytest
import tiny
from keras import layers

import keras_css
from keras_css import UserError
from keras_css.backbones import split_model
from keras_css.data.batches import TrainingBatches
from keras_css.training import ReEstimatedStatistics
from keras_css.training import re_estimate_statistics
from keras_css.training.seed import set_seed
from keras_css.training.statistics import batches_of
from keras_css.training.statistics import moving_layers
from keras_css.training.statistics import steps_needed

MOMENTUM = 0.999
OURS = "keras_css"


def slow_model():
    """A functional model whose BatchNorm has the momentum of MobileNetV2."""
    images = keras.Input((8, 8, 1))
    x = images
    for i, filters in enumerate((8, 6)):
        x = layers.Conv2D(filters, 3, padding="same", name=f"conv_{i}")(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, name=f"norm_{i}")(x)
        x = layers.ReLU(name=f"relu_{i}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(images, x)


def slow_cohort(count=1, **options):
    set_seed(0)
    networks = [
        keras_css.MultiBranchNetwork(
            split_model(slow_model(), at="relu_0"),
            num_classes=4,
            num_branches=1,
            transformation="none",
            joint_labels=False,
            # Far from what BatchNorm begins with, as pixels are.
            preprocessing=layers.Rescaling(0.1, 5.0),
            **options,
        )
        for _ in range(count)
    ]
    distiller = keras_css.OnlineDistiller(networks, method="independent")
    distiller.compile(keras_css.SGD(0.1, momentum=0.9))
    return distiller


def data(count, seed=0):
    part = tiny.split(count, seed)
    return part.images, part.labels


def values(variables):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def batches(count=20, size=8):
    x, y = tiny.images(count)
    return [(x[i : i + size], y[i : i + size]) for i in range(0, count, size)]


def test_a_short_run_with_a_slow_momentum_validates_as_it_trains(caplog):
    """48 steps leave 95 % of the values that a momentum of 0.999 began with."""
    x, y = data(48)

    def run(*callbacks):
        caplog.clear()
        distiller = slow_cohort()
        logs = distiller.fit(
            *(x, y, 8, 8, 0),
            validation_data=data(32, seed=1),
            callbacks=list(callbacks),
        ).history
        last = [logs[f"{part}network_a/accuracy"][-1] for part in ("", "val_")]
        said = [r.getMessage() for r in caplog.records if OURS in r.name]
        return distiller, last, " ".join(said)

    slow, (trained, validated), said = run()
    assert trained > 0.6
    assert validated < 0.4, "0.25 is chance"
    assert "ReEstimatedStatistics(x, y)" in said
    assert "95% of what they began with, after 48 steps" in said
    mended, (trained, validated), said = run(ReEstimatedStatistics(x, y, 8))
    assert trained > 0.6
    assert validated > 0.6
    assert not said
    assert mended.student("branch").about["student"] == "network_a/branch_0"
    # Training itself goes on as if nothing had happened.
    for what in ("trainable_variables", "optimizer.variables"):
        parts = what.split(".")
        found, expected = mended, slow
        for part in parts:
            found, expected = getattr(found, part), getattr(expected, part)
        assert_same(values(found), values(expected))


def test_few_validation_images_are_no_reason_to_doubt_them(caplog):
    """Three images at chance say nothing; 32 with others' labels do."""
    x, y = data(48)
    images, labels = data(32, seed=1)

    def said(count):
        caplog.clear()
        slow_cohort().fit(
            *(x, y, 8, 8, 0),
            validation_data=(images[:count], (labels[:count] + 1) % 4),
            callbacks=[ReEstimatedStatistics(x, y, 8)],
        )
        return [r.getMessage() for r in caplog.records if OURS in r.name]

    assert said(3) == []
    (line,) = said(32)
    assert "do validation images and labels suit those of training?" in line


def first_norm(distiller):
    """Returns the first convolution of a network, its BatchNorm's layer."""
    found = list(distiller.networks[0].trunk._flatten_layers())
    kinds = (layers.Conv2D, layers.BatchNormalization)
    return [next(x for x in found if isinstance(x, kind)) for kind in kinds]


@pytest.mark.parametrize("make", [tiny.cohort, slow_cohort])
def test_statistics_are_means_over_batches_and_nothing_else_changes(make):
    """Ours take the unbiased variance, n / (n - 1) times Keras' own."""
    distiller = make()
    given = batches()
    distiller.fit(*given[0], verbose=0)
    conv, norm = first_norm(distiller)
    frozen = distiller.networks[-1].tails[0]
    frozen.trainable = False
    norms = moving_layers(distiller)
    assert norm in norms
    moved = {
        id(variable)
        for layer in norms
        for variable in (layer.moving_mean, layer.moving_variance)
    }
    state = [*distiller.variables, *distiller.optimizer.variables]
    others = [v for v in state if id(v) not in moved]
    momentums = [layer.momentum for layer in norms]
    before = values(others)

    re_estimate_statistics(distiller, given)

    assert_same(values(others), before)
    assert [layer.momentum for layer in norms] == momentums
    assert any(v is frozen.variables[0] for v in others)
    means, variances, counts = [], [], []
    for x, _ in given:
        y = values([conv(distiller.networks[0].prepared(x))])[0]
        y = y.astype("float64").reshape(-1, y.shape[-1])
        ours = make is tiny.cohort
        means.append(y.mean(0))
        variances.append(y.var(0, ddof=1 if ours else 0))
        counts.append(len(x))
    for variable, parts in (
        (norm.moving_mean, means),
        (norm.moving_variance, variances),
    ):
        expected = np.average(parts, axis=0, weights=counts)
        (found,) = values([variable])
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_averaged_copies_have_statistics_of_their_own_weights():
    distiller = tiny.cohort(
        *("pcl", 1), joint_labels=False, transformation="none"
    )
    distiller.build((None, 8, 8, 1))
    network = distiller.networks[0]
    (copy,) = distiller.method.own_networks.values()
    (head, *_) = moving_layers(distiller)
    re_estimate_statistics(distiller, batches())
    for found, expected in zip(copy.weights, network.weights, strict=True):
        np.testing.assert_allclose(
            *values([found, expected]), rtol=1e-5, atol=1e-6
        )
    assert np.abs(values([head.moving_mean])[0]).max() > 1e-3


def test_a_layer_that_is_called_twice_has_the_mean_of_both():
    norm = layers.BatchNormalization(momentum=MOMENTUM)
    still = layers.BatchNormalization(trainable=False)
    images = keras.Input((3,))
    model = keras.Model(images, still(norm(norm(images) * 3.0 + 2.0)))
    x = np.random.default_rng(0).normal(5, 2, (64, 3)).astype("float32")
    # The second call sees mean 2 and deviation 3.
    re_estimate_statistics(model, [(x,)])
    mean, variance = values([norm.moving_mean, norm.moving_variance])
    np.testing.assert_allclose(mean, (x.mean(0) + 2) / 2, rtol=1e-3)
    np.testing.assert_allclose(variance, (x.var(0) + 9) / 2, rtol=1e-2)
    assert_same(values([still.moving_mean]), [np.zeros(3)])
    assert norm.momentum == MOMENTUM


@pytest.mark.once
def test_half_precision_has_statistics_in_full_precision():
    cohorts = [tiny.cohort(), tiny.cohort(dtype="mixed_bfloat16")]
    for distiller in cohorts:
        distiller.build((None, 8, 8, 1))
        re_estimate_statistics(distiller, batches())
    for exact, rough in zip(*map(moving_layers, cohorts), strict=True):
        assert rough.moving_mean.dtype == "float32"
        np.testing.assert_allclose(
            *values([rough.moving_variance, exact.moving_variance]), rtol=0.1
        )


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras has it there only"
)
def test_synchronized_statistics():
    norm = layers.BatchNormalization(momentum=MOMENTUM, synchronized=True)
    model = keras.Sequential([keras.Input((3,)), norm])
    x = np.random.default_rng(0).normal(5, 2, (64, 3)).astype("float32")
    re_estimate_statistics(model, [(x,)])
    np.testing.assert_allclose(
        *(values([norm.moving_mean])[0], x.mean(0)), rtol=1e-4
    )


@pytest.mark.once
def test_how_many_steps_averages_need():
    assert [steps_needed(m) for m in (0.9, 0.99, 0.999)] == [66, 688, 6905]
    assert steps_needed(0) == 0


@pytest.mark.once
def test_where_batches_come_from():
    x, y = tiny.images(40)
    order = np.argsort(y)
    mixed = list(batches_of(x[order], y[order], 16))
    assert [len(labels) for _, labels in mixed] == [16, 16, 8]
    assert all(len(set(labels)) > 1 for _, labels in mixed)
    assert len(list(batches_of(lambda: iter(mixed)))) == 3
    # A stream whose classes lie in order, 4 times as long as need be.
    stream = [(np.zeros((64, 1, 1, 1)), np.full(64, i)) for i in range(64)]
    assert [y[0] for _, y in batches_of(stream)] == [*range(0, 64, 4)]
    assert len(list(batches_of(map(tuple, stream)))) == 64
    with pytest.raises(UserError, match="give the function that makes it"):
        ReEstimatedStatistics(iter(mixed))
    with pytest.raises(UserError, match="received no batch"):
        distiller = tiny.cohort()
        distiller.build((None, 8, 8, 1))
        re_estimate_statistics(distiller, [])


@pytest.mark.once
def test_a_resumed_epoch_has_the_batches_of_the_whole_one():
    own = TrainingBatches(tiny.split(40), 8, seed=0, num_draws=2)
    whole = list(batches_of(own))
    own.begin_at(3)
    again = list(batches_of(own))
    assert len(whole) == len(again) == 5
    for (x, labels), (other, found) in zip(whole, again):
        assert_same([*x.values(), labels], [*other.values(), found])
