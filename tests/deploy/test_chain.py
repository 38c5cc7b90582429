"""Train, cut, convert, prove: blocks, sizes, channels, precisions."""

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css import OnlineDistiller
from keras_css.backbones import CifarResNet
from keras_css.data import Split
from keras_css.deploy import export_onnx
from keras_css.deploy.candidate import Candidate
from keras_css.deploy.candidate import ExportOptions
from keras_css.deploy.graph import count_nodes
from keras_css.students import cut_student
from keras_css_runtime.onnx_file import OnnxFile


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


def test_trained_in_mixed_precision_and_exported(tmp_path):
    """The file says what the same weights say in a float32 cohort."""
    block, shape = "bottleneck", (17, 17, 3)
    split = pixels(shape)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        distiller = OnlineDistiller(
            [network(block, num_branches=2)], "independent"
        )
        distiller.compile(keras_css.SGD(0.01))
        distiller.fit(split.images, split.labels, epochs=1, verbose=0)
        student = distiller.student("network_a")
    finally:
        keras.config.set_dtype_policy("float32")
    report = export_onnx(
        student, tmp_path / "s.onnx", validation=split, say=lambda line: None
    )
    assert report["image_shape"] == list(shape)
    exact = network(block, num_branches=2)
    exact.build((None, *shape))
    exact.set_weights(distiller.networks[0].get_weights())
    logits = keras.ops.convert_to_numpy(exact(split.images)["logits"])
    expected = (logits[:, 0::2, 0] + logits[:, 1::2, 1]) / 2
    found = OnnxFile(tmp_path / "s.onnx").run(split.images)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(
    ("block", "shape"), [("basic", (64, 64, 3)), ("bottleneck", (224, 160, 1))]
)
def test_other_sizes(tmp_path, block, shape):
    built = network(block)
    built.build((None, *shape))
    student = cut_student({"network_a": built}, {("network_a", 2): 1.0})
    split = pixels(shape, count=2)
    export_onnx(
        student, tmp_path / "s.onnx", validation=split, say=lambda line: None
    )
    logits = keras.ops.convert_to_numpy(built(split.images)["logits"])
    found = OnnxFile(tmp_path / "s.onnx").run(split.images)
    np.testing.assert_allclose(found, logits[:, 2::3, 2], atol=1e-4)


@pytest.mark.once
def test_a_branch_costs_what_the_plain_backbone_costs(tmp_path):
    """The same parameters, convolutions and matrix products in ONNX."""
    plain = network(
        "bottleneck",
        num_branches=1,
        transformation="none",
        joint_labels=False,
    )
    nodes, weights = [], []
    for built in (network("bottleneck"), plain):
        built.build((None, 16, 16, 3))
        tiny.shake(built)  # equal tensors would be kept once
        student = cut_student({"network_a": built}, {("network_a", 0): 1.0})
        candidate = Candidate(student, ExportOptions(), tmp_path)
        proto, _ = candidate.convert(pixels((16, 16, 3)).images)
        sizes = [int(np.prod(i.dims)) for i in proto.graph.initializer]
        assert sum(sizes) == student.count_params()
        nodes.append(count_nodes(proto))
        weights.append(sum(sizes))
    assert weights[0] == weights[1]
    # The mask of the erased corner is the only difference.
    assert nodes[0].pop("Mul") == nodes[1].pop("Mul") + 1
    assert nodes[0] == nodes[1]
    assert not {"BatchNormalization", "Pad"} & set(nodes[0])


@pytest.mark.once
def test_grouped_convolutions_and_gelu_as_in_convnext(tmp_path):
    """Keras compiles the ones apart on TensorFlow; ONNX has no erfc."""
    images = keras.Input((12, 12, 8), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", groups=8)(images)
    x = keras.layers.Activation("gelu")(x)
    x = keras.layers.Conv2D(16, 3, strides=2, groups=2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    student = keras.Model(images, keras.layers.Dense(3)(x))
    report = export_onnx(
        student,
        tmp_path / "s.onnx",
        images=np.random.default_rng(0).normal(size=(4, 12, 12, 8)),
        input_kind="float_nhwc",
        say=lambda line: None,
    )
    assert report["nodes"]["Conv"] == 2
    assert report["proof"]["largest_difference"] < 1e-5
