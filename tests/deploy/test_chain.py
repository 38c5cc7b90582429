"""Train, cut, convert, prove: blocks, sizes, channels, precisions."""

import keras
import numpy as np
import pytest

import keras_css
from keras_css import OnlineDistiller
from keras_css.backbones import CifarResNet
from keras_css.data import Split
from keras_css.deploy import cut_student
from keras_css.deploy import export_onnx
from keras_css.deploy.candidate import Candidate
from keras_css.deploy.candidate import ExportOptions
from keras_css.deploy.graph import describe


def pixels(shape, count=6):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *shape), dtype="uint8")
    return Split(images, np.arange(count, dtype="int32") % 3)


def network(block, **options):
    return keras_css.MultiBranchNetwork(
        CifarResNet(block, (1, 1, 1)),
        num_classes=3,
        preprocessing=keras.layers.Rescaling(1 / 64, -2.0, dtype="float32"),
        **options,
    )


@pytest.mark.parametrize(
    ("policy", "block", "shape"),
    [
        ("mixed_float16", "basic", (28, 28, 1)),
        ("mixed_bfloat16", "bottleneck", (33, 33, 3)),
    ],
)
def test_trained_in_mixed_precision_and_exported(
    tmp_path, policy, block, shape
):
    split = pixels(shape)
    keras.config.set_dtype_policy(policy)
    try:
        distiller = OnlineDistiller(
            [network(block, num_branches=2)], "independent"
        )
        distiller.compile(keras_css.SGD(0.01))
        distiller.fit(split.images, split.labels, epochs=1, verbose=0)
        student = distiller.student("network_a/branch_1")
    finally:
        keras.config.set_dtype_policy("float32")
    report = export_onnx(
        student, tmp_path / "s.onnx", validation=split, say=lambda line: None
    )
    assert report["proof"]["largest_difference"] <= 1e-4
    assert report["image_shape"] == list(shape)


@pytest.mark.once
@pytest.mark.parametrize("shape", [(64, 64, 3), (224, 160, 1)])
def test_other_sizes(tmp_path, shape):
    built = network("basic")
    built.build((None, *shape))
    student = cut_student({"network_a": built}, {("network_a", 2): 1.0})
    report = export_onnx(
        student,
        tmp_path / "s.onnx",
        validation=pixels(shape),
        say=lambda line: None,
    )
    assert report["proof"]["largest_difference"] <= 1e-4


@pytest.mark.once
def test_a_branch_costs_what_the_plain_backbone_costs(tmp_path):
    """The same parameters, convolutions and matrix products in ONNX."""
    plain = network(
        "bottleneck",
        num_branches=1,
        transformation="none",
        joint_labels=False,
    )
    found = []
    for built in (network("bottleneck"), plain):
        built.build((None, 16, 16, 3))
        student = cut_student({"network_a": built}, {("network_a", 0): 1.0})
        proto = Candidate(student, ExportOptions(), tmp_path).convert()
        found.append(describe(proto))
    branch, plain = found
    assert branch["parameters"] == plain["parameters"]
    # The mask of the erased corner is the only difference.
    assert branch["nodes"].pop("Mul") == plain["nodes"].pop("Mul") + 1
    assert branch["nodes"] == plain["nodes"]
    assert not {"BatchNormalization", "Pad"} & set(branch["nodes"])
