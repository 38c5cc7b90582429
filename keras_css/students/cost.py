"""What networks cost, counted from their graphs."""

import dataclasses
import math

import keras

from keras_css.backbones.cost import count_macs
from keras_css.backbones.graph import run_graph
from keras_css.students.cut import expand
from keras_css.students.cut import name_apart
from keras_css.students.cut import open_layers


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a part of a network, or all of it, costs.

    Attributes:
        parameters: Weights, BatchNorm's statistics included.
        macs: Multiply-adds of convolutions and matrix products, one image
            forward. Figures called FLOPs in papers are often these.
        activation_bytes: Outputs of all layers in float32, one image: about
            what a training step keeps of an image for the gradient.
    """

    parameters: int = 0
    macs: int = 0
    activation_bytes: int = 0

    def __add__(self, other):
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other))
        return Cost(*(a + b for a, b in pairs))

    def times(self, count):
        """Returns the cost of that many."""
        return Cost(*(count * value for value in dataclasses.astuple(self)))


def student_cost(backbone, num_classes, image_shape):
    """Returns the cost of one branch, which is that of the plain backbone.

    Args:
        backbone: A `Backbone`.
        num_classes: C.
        image_shape: `(H, W, channels)`.
    """
    trunk, tail = part_costs(backbone, image_shape)
    return trunk + tail + _head(backbone, num_classes)


def network_cost(
    backbone,
    num_classes,
    image_shape,
    num_branches=3,
    joint_labels=True,
    main_branch=False,
):
    """Returns the cost of a multi-branch network while it trains.

    Args:
        backbone: A `Backbone`.
        num_classes: C.
        image_shape: `(H, W, channels)`.
        num_branches, joint_labels, main_branch: As of `MultiBranchNetwork`.
    """
    trunk, tail = part_costs(backbone, image_shape)
    columns = num_classes * (num_branches if joint_labels else 1)
    total = trunk + (tail + _head(backbone, columns)).times(num_branches)
    if main_branch:
        total = total + tail + _head(backbone, num_classes)
    return total


def part_costs(backbone, image_shape):
    """Returns the costs of a backbone's trunk and of one tail.

    Args:
        backbone: A `Backbone`.
        image_shape: `(H, W, channels)`.
    """
    images = keras.Input(image_shape)
    trunk, tail = backbone.trunk(), backbone.tail()
    trunk.build((None, *image_shape))
    name_apart({"trunk": trunk, "tail": tail})
    shared = expand(trunk, images)
    tail.build(shared.shape)
    features = keras.Input(shared.shape[1:])
    return (
        _cost(keras.Model([images], shared)),
        _cost(keras.Model([features], expand(tail, features))),
    )


def _cost(model):
    _, _, steps = run_graph(open_layers(model))
    outputs = [tensor for step in steps for tensor in step.outputs]
    return Cost(
        model.count_params(),
        sum(count_macs(s.layer, s.inputs, s.outputs) for s in steps),
        sum(4 * math.prod(tensor.shape[1:]) for tensor in outputs),
    )


def _head(backbone, columns):
    width = backbone.feature_dim
    return Cost((width + 1) * columns, width * columns, 4 * columns)
