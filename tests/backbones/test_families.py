"""The other families: parameter counts, and students of Keras' own layers."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import MultiBranchNetwork
from keras_css.backbones import DenseNet
from keras_css.backbones import WideResNet
from keras_css.students import cut_student

pytestmark = pytest.mark.once

PLAIN = {"num_branches": 1, "transformation": "none", "joint_labels": False}


@pytest.mark.parametrize(
    ("name", "known", "classes"),
    [
        # The models of CRD's code (arXiv 1910.10699), 100 classes, counted
        # there. Its VGG convolutions have a bias each, which ours have not.
        ("vgg13", 9_462_180 - 2 * (64 + 128 + 256 + 512 + 512), 100),
        ("wrn16_2", 703_284, 100),
        ("wrn40_1", 569_780, 100),
        ("wrn40_2", 2_255_156, 100),
        # Its first convolution is 1x1, ours 3x3.
        ("cifar_shufflenetv2", 1_355_528 + (9 - 1) * 3 * 24, 100),
        # Layer by layer from the papers' tables.
        (
            "vgg16",
            14_774_436 - 2 * (64 + 128) - 3 * (256 + 512 + 512),
            100,
        ),
        ("cifar_mobilenetv2", 2_351_972, 100),
        ("densenet40_12", 1_060_132, 100),
    ],
)
def test_known_parameters(name, known, classes):
    network = MultiBranchNetwork(name, classes, **PLAIN)
    network.build((None, 32, 32, 3))
    found = sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    assert found == known


@pytest.mark.parametrize(
    "backbone",
    [
        WideResNet(10, 1),
        WideResNet(16, 2),
        DenseNet(10, 4),
        "cifar_shufflenetv2",
        "cifar_mobilenetv2",
    ],
)
def test_a_student_has_keras_own_layers_and_no_batch_norm(backbone):
    """cut_student itself compares what both put out."""
    network = MultiBranchNetwork(backbone, 4, num_branches=2)
    network.build((None, 32, 32, 3))
    tiny.shake(network)
    student = cut_student({"network_a": network}, {("network_a", 1): 1.0})
    assert all(type(x).__module__.startswith("keras.") for x in student.layers)
    assert not any(
        isinstance(x, keras.layers.BatchNormalization) for x in student.layers
    )
