"""The exported file: form, proof, precision, faults."""

import collections
import json
import subprocess
import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from keras_css import UserError
from keras_css.data import Split
from keras_css.deploy import export_onnx
from keras_css.deploy import graph
from keras_css.deploy import proof
from keras_css.deploy.candidate import Candidate
from keras_css.errors import ProofError
from keras_css_runtime.classifier import OnnxClassifier
from keras_css_runtime.onnx_file import OnnxFile

quiet = {"say": lambda line: None}


def run(path, images):
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"image": images})[0]


def test_the_file_computes_what_the_cohort_does(exported, distiller, splits):
    _, path, report = exported
    x = splits[1].images
    expected = distiller.predict(x, verbose=0)["network_a/branch_1"]
    found = run(path, x)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    accuracy = np.mean(found.argmax(axis=-1) == splits[1].labels)
    assert report["accuracy"]["test"] == accuracy > 0.5
    assert report["proof"]["largest_difference"] <= 1e-4
    assert report["proof"]["same_top_class"] == 1.0
    assert report["proof"]["images"] == "40 validation images"
    for count in (1, 3):
        np.testing.assert_allclose(run(path, x[:count]), found[:count], 1e-4)


def keep_conversion(monkeypatch, path, splits, change=lambda proto: proto):
    """Spares a test the conversion: its result is that of an earlier one."""
    logits = run(path, splits[0].images)
    monkeypatch.setattr(
        Candidate, "convert", lambda *_: (change(onnx.load(path)), logits)
    )


def shape_of(value):
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_param or dim.dim_value for dim in dims]


@pytest.mark.once
def test_the_form_of_the_file(exported, proto):
    student, path, report = exported
    (given,), (output,) = proto.graph.input, proto.graph.output
    assert (given.name, output.name) == ("image", "logits")
    assert shape_of(given) == ["batch", 8, 8, 1]
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert shape_of(output) == ["batch", 4]
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", 18)]
    counts = collections.Counter(node.op_type for node in proto.graph.node)
    assert counts["Conv"] == 2
    assert counts["Gemm"] + counts["MatMul"] == 1
    assert "BatchNormalization" not in counts
    sizes = [int(np.prod(i.dims)) for i in proto.graph.initializer]
    assert sum(sizes) == student.count_params() == report["parameters"]
    onnx.checker.check_model(proto, full_check=True)
    assert report["nodes"]["Conv"] == 2
    told = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(told["class_names"])[3] == "down & <out>"
    assert told["student"] == "network_a/branch_1"
    assert told["method"] == "css"
    assert "network_a" in json.loads(told["backbones"])
    assert json.loads(told["accuracy"]) == report["accuracy"]
    assert json.loads(told["preprocessing"])["scale"] == pytest.approx([1 / 80])
    assert told["keras_css_version"] and told["licence"]
    beside = json.loads(path.with_suffix(".json").read_text())
    assert beside["bytes"] == path.stat().st_size
    assert beside["sha256"] == report["sha256"]


@pytest.mark.once
def test_normalised_input_channels_first_probabilities_fixed_batch(
    distiller, splits, tmp_path
):
    """Every option that is not the default at once, on a whole network."""
    path = tmp_path / "other.onnx"
    student = distiller.student("network_a")
    report = export_onnx(
        student,
        path,
        validation=splits[0],
        input_kind="float_nchw",
        output="probabilities",
        batch_size=3,
        **quiet,
    )
    file = OnnxFile(path)
    assert file.input.shape == [3, 1, 8, 8]
    assert file.session.get_outputs()[0].name == "probabilities"
    x = splits[1].images[:7]
    logits = distiller.predict(x, verbose=0)["network_a"]
    normalised = (x / 80 - 1.2).astype("float32").transpose(0, 3, 1, 2)
    found = file.run(normalised)
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert "test" not in report["accuracy"]
    # The wrapper normalises by what the file says, and fills the batch.
    _, probabilities = OnnxClassifier(path)(x)
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(
    ("precision", "kind", "bound", "ratio"),
    [("fp16", "FLOAT16", 5e-2, 0.9), ("int8", "INT8", 1.5, 3.0)],
)
def test_a_reduced_file_says_what_it_is_itself(
    exported, splits, tmp_path, monkeypatch, precision, kind, bound, ratio
):
    """So small a network that int8's scales outweigh what they save."""
    student, path, float32 = exported
    keep_conversion(monkeypatch, path, splits)
    report = export_onnx(
        student,
        tmp_path / "r.onnx",
        validation=splits[0],
        test=splits[1],
        precision=precision,
        max_accuracy_drop=0.2,
        **quiet,
    )
    proto = onnx.load(tmp_path / "r.onnx")
    kinds = {i.data_type for i in proto.graph.initializer}
    assert getattr(onnx.TensorProto, kind) in kinds
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", 18)]
    assert proto.producer_name == "keras_css"
    found = run(tmp_path / "r.onnx", splits[1].images)
    accuracy = np.mean(found.argmax(axis=-1) == splits[1].labels)
    assert report["accuracy"]["test"] == accuracy
    assert report["float32"]["accuracy"] == float32["accuracy"]
    assert report["accuracy_drop"]["test"] == pytest.approx(
        float32["accuracy"]["test"] - accuracy
    )
    assert 1e-6 < report["proof"]["largest_difference"] < bound
    assert report["size_ratio"] < ratio
    if precision == "int8":
        assert report["nodes"]["QuantizeLinear"] > 0


@pytest.mark.once
def test_reduced_precision_needs_images(exported, tmp_path):
    with pytest.raises(UserError, match="calibrated on real images"):
        export_onnx(exported[0], tmp_path / "s.onnx", precision="int8", **quiet)


@pytest.mark.once
def test_labels_in_a_column_count_the_same(
    exported, splits, tmp_path, monkeypatch
):
    """As `keras.datasets` gives them."""
    student, path, float32 = exported
    keep_conversion(monkeypatch, path, splits)
    column = Split(splits[0].images, splits[0].labels[:, None].astype("uint8"))
    report = export_onnx(
        student, tmp_path / "s.onnx", validation=column, **quiet
    )
    expected = float32["accuracy"]["validation"]
    assert report["accuracy"]["validation"] == expected


@pytest.mark.once
def test_a_file_that_fails_its_proof_leaves_the_earlier_one(
    exported, splits, tmp_path, monkeypatch
):
    student, path, _ = exported
    target = tmp_path / "student.onnx"
    target.write_bytes(b"the earlier file")
    keep_conversion(monkeypatch, path, splits, change=_spoilt)
    with pytest.raises(ProofError, match=r"must agree .* nothing was written"):
        export_onnx(student, target, validation=splits[0], **quiet)
    assert target.read_bytes() == b"the earlier file"
    assert [p.name for p in tmp_path.iterdir()] == ["student.onnx"]


def _spoilt(proto):
    """One bias of the head off by a thousandth."""
    for i, initializer in enumerate(proto.graph.initializer):
        if list(initializer.dims) == [4]:
            value = onnx.numpy_helper.to_array(initializer).copy()
            value[2] += 1e-3
            proto.graph.initializer[i].CopyFrom(
                onnx.numpy_helper.from_array(value, initializer.name)
            )
    return proto


@pytest.mark.once
def test_a_drop_over_the_limit_refuses_the_file(
    exported, splits, tmp_path, monkeypatch
):
    student, path, _ = exported
    keep_conversion(monkeypatch, path, splits)
    with pytest.raises(ProofError, match="may lose at most -1 accuracy"):
        export_onnx(
            student,
            tmp_path / "s.onnx",
            validation=splits[0],
            precision="int8",
            max_accuracy_drop=-1,
            **quiet,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
def test_an_answer_between_classes_is_no_other_data():
    """One of 80 is 0.0125; three of them are not rounding."""
    counts = {"validation": 80}
    proof.check_trained({"validation": 0.9}, {"validation": 0.9125}, counts)
    proof.check_trained({"validation": 0.9}, {"validation": 0.875}, counts)
    with pytest.raises(ProofError, match="as accurate as the run says"):
        proof.check_trained({"validation": 0.9}, {"validation": 0.9375}, counts)


def test_proofs_do_not_pass_what_is_not_a_number():
    with pytest.raises(ProofError, match="differs by nan"):
        proof.check_exact({"largest_difference": float("nan")})
    proof.check_exact({"largest_difference": 1e-4})


@pytest.mark.once
def test_a_graph_with_an_error_does_not_pass_the_check(proto):
    broken = onnx.ModelProto()
    broken.CopyFrom(proto)
    broken.graph.node[-1].input[0] = "nowhere"
    with pytest.raises(ProofError, match=r"onnx\.checker"):
        graph.check(broken)


def split(labels):
    return Split(np.zeros((3, 8, 8, 1), "uint8"), np.array(labels))


def bad_calls(tmp_path):
    (tmp_path / "result.json").write_text('{"of": "a run"}')
    (tmp_path / "folder.onnx").mkdir()
    return [
        ({"path": tmp_path / "student.bin"}, "must end in .onnx"),
        ({"path": tmp_path / "no" / "s.onnx"}, "folder that exists"),
        ({"path": tmp_path / "folder.onnx"}, "must be a file in a folder"),
        ({"path": tmp_path / "result.onnx"}, "result.json' must be the"),
        ({"class_names": ["a", "b", "c", "c"]}, "3 of them different"),
        ({"images": np.zeros((3, 8, 8, 1))}, "received float64"),
        (
            {"images": np.zeros((3, 9, 8, 1), "uint8")},
            "received .3, 9, 8, 1",
        ),
        ({"test": split(labels=[0, 1, 4])}, r"integers in \[0, 3\]"),
        ({"test": split(labels=[0, 1])}, "must be 3 integers"),
        ({"class_names": ["a", "b"]}, "4 different names, one a class"),
        ({"precision": "fp8"}, "Unknown precision 'fp8': did you mean fp"),
        ({"input_kind": "nchw"}, "Unknown input 'nchw'"),
        ({"output": "logit"}, "Unknown output 'logit': did you mean logits"),
        ({"max_accuracy_drop": float("nan")}, "a fraction of 1, received nan"),
        ({"batch_size": 0}, r"must lie in \[1, 65536\], received 0"),
    ]


@pytest.mark.once
@pytest.mark.parametrize("case", range(15))
def test_bad_calls_get_one_line_before_anything_happens(
    exported, tmp_path, case
):
    changes, message = bad_calls(tmp_path)[case]
    with pytest.raises(UserError, match=message) as caught:
        export_onnx(
            **{"student": exported[0], "path": tmp_path / "s.onnx", **changes},
            **quiet,
        )
    assert "\n" not in str(caught.value)


@pytest.mark.once
def test_other_models_are_refused_or_taken_as_they_are(tmp_path):
    vector = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(UserError, match="must map images"):
        export_onnx(vector, tmp_path / "v.onnx", **quiet)
    image = keras.Input((9, 7, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    x = keras.layers.GlobalMaxPooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(3)(x))
    report = export_onnx(model, tmp_path / "m.onnx", **quiet)
    assert report["input"] == "float_nhwc"
    assert report["proof"]["images"] == "32 random images"
    assert report["class_names"] == ["0", "1", "2"]


@pytest.mark.once
def test_a_full_disk_leaves_the_earlier_file(exported, tmp_path):
    """A limit on file sizes stands in for the disk."""
    target = tmp_path / "student.onnx"
    target.write_bytes(b"the earlier file")
    code = (
        "import resource, pathlib, sys\n"
        "from keras_css.runs.folder import write_together\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "path = pathlib.Path('student.onnx')\n"
        "try:\n"
        "    write_together({path: b'x' * 100_000, pathlib.Path('a'): b'a'})\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "File too large" in done.stdout
    assert target.read_bytes() == b"the earlier file"
    assert [p.name for p in tmp_path.iterdir()] == ["student.onnx"]
