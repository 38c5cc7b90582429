"""Architectures: parameter counts, sizes, what is refused."""

import keras
import numpy as np
import pytest

from keras_css import MultiBranchNetwork
from keras_css import UserError
from keras_css import backbones
from keras_css.backbones import BACKBONES
from keras_css.backbones import CifarResNet

pytestmark = pytest.mark.once


def trained_parameters(backbone, classes=100, **options):
    """Counts what trains: PyTorch counts no running statistics either."""
    network = MultiBranchNetwork(backbone, classes, **options)
    network.build((None, 32, 32, 3))
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


PLAIN = {"num_branches": 1, "transformation": "none", "joint_labels": False}


@pytest.mark.parametrize(
    ("name", "plain", "css"),
    [
        # In millions: 0.614, 1.715; 1.171, 3.116; 6.871, 17.508; 0.473.
        ("resnet56_bottleneck", 614_452, 1_715_028),
        ("resnet110_bottleneck", 1_170_868, 3_116_244),
        ("wrn20_8", 6_871_220, 17_508_308),
        ("resnet32", 472_756, None),
    ],
)
def test_parameters_of_the_reference_table(name, plain, css):
    """The reference's table has millions; these are its networks' counts."""
    assert trained_parameters(name, **PLAIN) == plain
    if css:
        assert trained_parameters(name) == css


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # He et al. 2016, table 6 (10 classes; there in millions, 0.27, 0.46,
        # 0.66, 0.85 and 1.7, and with shortcuts that have no parameters).
        ("resnet20", 269_722),
        ("resnet32", 464_154),
        ("resnet44", 658_586),
        ("resnet56", 853_018),
        ("resnet110", 1_727_962),
    ],
)
def test_parameters_published_for_cifar10(name, published):
    # Ours are 1x1 convolutions with BatchNorm.
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    found = trained_parameters(name, classes=10, **PLAIN)
    assert found == published + projections


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # torchvision's models, 1000 classes.
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
    ],
)
def test_parameters_published_for_imagenet(name, published):
    assert trained_parameters(name, classes=1000, **PLAIN) == published


@pytest.mark.parametrize("name", ["resnet8", "resnet14"])
def test_depth_is_what_the_name_says(name):
    backbone = BACKBONES.get(name)()
    convolutions = 1 + 2 * sum(backbone.blocks)
    assert convolutions + 1 == int(name.removeprefix("resnet"))


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (33, 20, 4)])
def test_any_size_and_channel_count(block, shape):
    network = MultiBranchNetwork(CifarResNet(block, (1, 1, 1)), 5)
    outputs = network(np.zeros((2, *shape), "float32"))
    width = 64 if block == "basic" else 256
    assert tuple(outputs["logits"].shape) == (2, 15, 3)
    assert tuple(outputs["features"].shape) == (2, width, 3)


def test_trunk_resolution_and_split():
    backbone = CifarResNet("basic", (1, 1, 1), split=2)
    trunk, tail = backbone.trunk(), backbone.tail()
    features = trunk(np.zeros((1, 32, 32, 3), "float32"))
    assert tuple(features.shape) == (1, 32, 32, 16)
    assert tuple(tail(features).shape) == (1, 64)
    with pytest.raises(UserError, match=r"\[1, 3\].*split=4"):
        CifarResNet("basic", (1, 1, 1), split=4)


def test_initial_weights_are_kaiming_fan_out_and_torch_linear():
    keras.utils.set_random_seed(1)
    network = MultiBranchNetwork("resnet8", 10, num_branches=1)
    network.build((None, 32, 32, 3))
    conv = network.tails[0].layers[0].layers[0].conv2
    kernel = keras.ops.convert_to_numpy(conv.kernel)
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)
    # An untruncated normal has values beyond 2.5 standard deviations.
    assert np.abs(kernel).max() > 3 * kernel.std()
    for weight in (network.heads[0].kernel, network.heads[0].bias):
        value = keras.ops.convert_to_numpy(weight)
        assert np.abs(value).max() <= 1 / np.sqrt(64)
    spread = keras.ops.convert_to_numpy(network.heads[0].kernel)
    assert spread.std() == pytest.approx(1 / np.sqrt(3 * 64), rel=0.1)


def test_a_misspelt_backbone_is_answered_with_near_names():
    with pytest.raises(UserError, match="did you mean resnet20"):
        backbones.get("resnet_20")
    with pytest.raises(UserError, match="3 counts"):
        CifarResNet("basic", (1, 1))
    with pytest.raises(UserError, match="bottleneck blocks only"):
        CifarResNet("basic", (1, 1, 1), inner_width=2)


@pytest.mark.parametrize(
    "name",
    [
        *("resnet14", "resnet56_bottleneck", "wrn16_2", "vgg13", "resnet18"),
        *("densenet40_12", "cifar_mobilenetv2", "cifar_shufflenetv2"),
    ],
)
def test_a_further_stage_keeps_the_size_of_the_map(name):
    backbone = backbones.get(name)
    further = backbone.further_stage()
    again = type(further).from_config(further.get_config())
    image = keras.Input((4, 4, backbone.feature_dim))
    found = further(image).shape
    assert found[1:3] == (4, 4)
    again(image)
    assert again.count_params() == further.count_params() > 0
    # A dense block puts new channels beside the old ones.
    assert found[3] >= backbone.feature_dim
