"""Multiply-adds, against published ones and a count by hand."""

import keras
import pytest
import tiny

from keras_css import backbones
from keras_css.backbones.cost import count_macs
from keras_css.students.cost import Cost
from keras_css.students.cost import network_cost
from keras_css.students.cost import student_cost

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("name", "size", "classes", "published"),
    [
        # torchvision's model table, 224 pixels, in 10^9 multiply-adds: 1.81
        # and 4.09.
        ("resnet18", 224, 1000, 1_814_073_344),
        ("resnet50", 224, 1000, 4_089_184_256),
        # Sandler 2018, arXiv 1801.04381, table 4: 300 million.
        ("applications:MobileNetV2", 224, 1000, 300_774_272),
    ],
)
def test_published_multiply_adds(name, size, classes, published):
    backbone = backbones.get(name)
    found = student_cost(backbone, classes, (size, size, 3))
    assert found.macs == published


def test_counted_by_hand():
    backbone = tiny.TinyBackbone()
    trunk = Cost(9 * 8 + 8 + 4 * 8, 64 * 9 * 8, 4 * 3 * 64 * 8)
    tail_weights = 9 * 8 * 6 + 6 + 4 * 6
    pooled = 4 * 3 * 64 * 6 + 4 * 6
    tail = Cost(tail_weights, 64 * 9 * 8 * 6, pooled)
    head = Cost(7 * 4, 6 * 4, 4 * 4)
    found = student_cost(backbone, 4, (8, 8, 1))
    assert found == trunk + tail + head
    joint = Cost(7 * 8, 6 * 8, 4 * 8)
    expected = trunk + (tail + joint).times(2) + tail + head
    found = network_cost(backbone, 4, (8, 8, 1), 2, main_branch=True)
    assert found == expected


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (keras.layers.Conv2D(6, 3, strides=2, padding="same"), 16 * 9 * 4 * 6),
        (keras.layers.Conv2D(6, 3, padding="same", groups=2), 64 * 9 * 2 * 6),
        (keras.layers.DepthwiseConv2D(3, padding="same"), 64 * 9 * 4),
        (
            keras.layers.SeparableConv2D(6, 3, padding="same"),
            64 * (9 * 4 + 4 * 6),
        ),
        (
            keras.layers.Conv2DTranspose(6, 2, strides=2),
            64 * 4 * 4 * 6,
        ),
        (keras.layers.Dense(6), 64 * 4 * 6),
        (keras.layers.ReLU(), 0),
    ],
)
def test_layers(layer, macs):
    images = keras.Input((8, 8, 4))
    output = layer(images)
    assert count_macs(layer, [images], [output]) == macs
