"""A backbone small enough that every test compiles in seconds."""

import keras
import numpy as np

import keras_css
from keras_css.backbones import Backbone
from keras_css.backbones.batch_norm import BatchNorm
from keras_css.data.dataset import Split
from keras_css.methods import CSS
from keras_css.teachers import teacher_of
from keras_css.training.seed import set_seed


@keras.saving.register_keras_serializable(package="tests")
class TinyBackbone(Backbone):
    """Two convolutions with BatchNorm, 8 and 6 filters, one in the trunk."""

    feature_dim = 6

    def __init__(self, split=1):
        super().__init__(split)

    def stages(self):
        return [
            keras.Sequential(
                [
                    keras.layers.Conv2D(filters, 3, padding="same"),
                    BatchNorm(),
                    keras.layers.ReLU(),
                ]
            )
            for filters in (8, self.feature_dim)
        ]


def network(num_classes=4, **options):
    """Returns an unbuilt network of the tiny backbone."""
    return keras_css.MultiBranchNetwork(
        TinyBackbone(), num_classes=num_classes, **options
    )


def cohort(method=None, count=2, num_classes=4, optimizer=None, **options):
    """Returns a compiled distiller of tiny networks, by default CSS's."""
    set_seed(0)
    # The paper's, whose networks compile soonest.
    method = method or CSS(variant="released")
    networks = [network(num_classes, **options) for _ in range(count)]
    distiller = keras_css.OnlineDistiller(networks, method=method)
    distiller.compile(optimizer or keras_css.SGD(0.05, weight_decay=5e-4))
    return distiller


def teachers(method):
    """Returns the teachers that a method needs: one of 4 classes, or none."""
    if not method.wants_teacher:
        return []
    one = network(num_branches=1, transformation="none", joint_labels=False)
    trained = keras_css.OnlineDistiller([one], "independent")
    trained.build((None, 8, 8, 1))
    return [teacher_of(trained, "network_a/branch_0")]


def images(count=12, num_classes=4, size=8, seed=0):
    """Returns images whose class can be seen, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype="int32") % num_classes
    x = rng.normal(0, 0.3, (count, size, size, 1))
    for i, label in enumerate(labels):
        x[i, label * 2 : label * 2 + 2] += 1.0
    return x.astype("float32"), labels


def split(count, seed=0):
    """Returns the same images as bytes, as a split of a dataset."""
    x, labels = images(count, seed=seed)
    return Split((np.clip(x, 0, 2) * 100).astype("uint8"), labels)


def shake(model, seed=0):
    """Gives BatchNorm statistics and all else values far from the initial."""
    rng = np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in layer.weights:
                value = rng.uniform(0.3, 2.0, weight.shape)
                if weight.name in ("beta", "moving_mean"):
                    value -= 1.0
                weight.assign(value)


def draw_weights(distiller, seed=0):
    """Gives all trained weights the same random values on every backend."""
    rng = np.random.default_rng(seed)
    for weight in distiller.trainable_variables:
        weight.assign(rng.normal(0, 0.5, weight.shape))
