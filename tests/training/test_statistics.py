"""BatchNorm's statistics fit the weights, however few the steps were."""

import keras
import numpy as np
import pytest
import tiny
from keras import layers

import keras_css
from keras_css import UserError
from keras_css.backbones import split_model
from keras_css.training import ReEstimatedStatistics
from keras_css.training import re_estimate_statistics
from keras_css.training.seed import set_seed
from keras_css.training.statistics import moving_layers
from keras_css.training.statistics import steps_needed

MOMENTUM = 0.999


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
            preprocessing=layers.Rescaling(0.02, -1.0),
            **options,
        )
        for _ in range(count)
    ]
    distiller = keras_css.OnlineDistiller(networks, method="independent")
    distiller.compile(keras_css.SGD(0.05, weight_decay=5e-4))
    return distiller


def data(count, seed=0):
    part = tiny.split(count, seed)
    return part.images, part.labels


def accuracy(distiller, x, y):
    logits = distiller.predict(x, verbose=0)["network_a"]
    return float(np.mean(logits.argmax(-1) == y))


def values(variables):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_short_run_with_a_slow_momentum_validates_as_it_trains():
    x, y = data(48)
    held_out = data(32, seed=1)

    def run(*callbacks):
        distiller = slow_cohort()
        logs = distiller.fit(
            *(x, y),
            batch_size=8,
            epochs=5,
            validation_data=held_out,
            callbacks=list(callbacks),
            verbose=0,
        ).history
        return distiller, logs

    before, logs = run()
    print(logs["network_a/accuracy"], logs["val_network_a/accuracy"])
    after, logs2 = run(ReEstimatedStatistics(x, y, 8))
    print(logs2["network_a/accuracy"], logs2["val_network_a/accuracy"])
    assert_same(
        values(before.trainable_variables), values(after.trainable_variables)
    )
