"""Networks that begin with given weights, and parts that do not train."""

import keras
import numpy as np
import pytest
import tiny
from keras import layers

from keras_css import MultiBranchNetwork
from keras_css import UserError
from keras_css.backbones import split_model
from keras_css.networks.weights import load_weights_by_name
from keras_css.networks.weights import named_weights
from keras_css.runs.cohort import freeze_trunk

pytestmark = pytest.mark.once


def built(network, size=8, channels=1):
    network.build((None, size, size, channels))
    return network


def values(layer):
    return [w.copy() for w in layer.get_weights()]


def same(found, expected):
    return all(np.array_equal(a, b) for a, b in zip(found, expected))


def test_a_network_takes_the_weights_of_another():
    """All but the heads, whose classes are others."""
    source = built(tiny.network(num_classes=3, num_branches=2))
    tiny.shake(source)
    network = built(tiny.network(num_classes=4, num_branches=3))
    heads = [values(head) for head in network.heads]
    matched = load_weights_by_name(network, source)
    assert not matched.missing
    assert not matched.unused
    assert same(values(network.trunk), values(source.trunk))
    for i, given in enumerate((0, 1, 0)):
        expected = values(source.tails[given])
        assert same(values(network.tails[i]), expected), i
    assert not same(values(network.tails[1]), values(network.tails[0]))
    for head, before in zip(network.heads, heads):
        assert same(values(head), before)


def small_model(width=6):
    images = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, name="first")(images)
    x = layers.Conv2D(width, 3, name="second")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(5, name="classes")(x))


def test_a_network_takes_the_weights_of_a_model_by_its_layers_names():
    fresh = split_model(small_model(), "first", copy_weights=False)
    network = built(MultiBranchNetwork(fresh, 4))
    source = small_model()
    matched = load_weights_by_name(network, source)
    for tail in network.tails:
        kernel = named_weights(tail)["second.kernel"]
        expected = source.get_layer("second").get_weights()[0]
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(kernel), expected
        )
    assert set(matched.unused) == {"classes.kernel", "classes.bias"}
    assert "2 of the source not used: classes." in matched.describe()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: small_model(width=7), r"'second\.kernel' must have.*another"),
        (
            lambda: keras.Sequential(
                [keras.Input((8, 8, 1)), layers.Conv2D(4, 3, name="other")]
            ),
            r"none of \d+ matches.*second\.kernel.*other\.kernel",
        ),
    ],
)
def test_weights_that_do_not_fit_change_nothing(source, message):
    network = built(MultiBranchNetwork(split_model(small_model(), "first"), 4))
    before = values(network)
    with pytest.raises(UserError, match=message):
        load_weights_by_name(network, source())
    assert same(values(network), before)


@pytest.mark.parametrize("what", ["trunk", "batch_norm", "none"])
def test_what_is_frozen_stays_and_the_rest_trains(what):
    distiller = tiny.cohort()
    images, labels = tiny.images()
    for network in distiller.networks:
        freeze_trunk(network, what)
    distiller.build((None, *images.shape[1:]))
    network = distiller.networks[0]
    before = {
        "trunk": named_values(network.trunk),
        "tail": named_values(network.tails[0]),
    }
    distiller.train_on_batch(images, labels)
    after = named_values(network.trunk)
    changed = {k for k in after if not same(after[k], before["trunk"][k])}
    norm = {k for k in after if k.split(".")[-1] in NORM_WEIGHTS}
    assert len(norm) == 4
    # A bias before BatchNorm has no gradient.
    others = {k for k in after if k.endswith("kernel")}
    if what == "trunk":
        assert not changed
    elif what == "batch_norm":
        assert others <= changed
        assert not changed & norm
    else:
        assert others | norm <= changed
    tail = named_values(network.tails[0])
    assert any(not same(tail[k], before["tail"][k]) for k in tail)


NORM_WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


def named_values(layer):
    return {
        name: [keras.ops.convert_to_numpy(weight).copy()]
        for name, weight in named_weights(layer).items()
    }
