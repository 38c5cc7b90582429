"""Model files from elsewhere: nothing in them is run, or breaks a command."""

import json
import zipfile

import keras
import numpy as np
import onnx
import pytest

from keras_css import UserError
from keras_css.deploy import OnnxClassifier
from keras_css.deploy import export_model
from keras_css.runs import RunFolder
from keras_css.runs.cohort import load_cohort
from keras_css.untrusted.keras_files import load_keras

pytestmark = pytest.mark.once


def changed(exported, tmp_path, change):
    """Returns the path of the exported file after `change(proto)`."""
    proto = onnx.load(exported[1])
    change(proto)
    path = tmp_path / "changed.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def set_metadata(key, value):
    def change(proto):
        for entry in proto.metadata_props:
            if entry.key == key:
                entry.value = value

    return change


def refused(read, words):
    with pytest.raises(UserError, match=words) as caught:
        read()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("key", ["class_names", "image_shape", "preprocessing"])
def test_metadata_that_is_nested_too_deeply(exported, tmp_path, key):
    path = changed(exported, tmp_path, set_metadata(key, "[" * 90_000))
    if key == "preprocessing":
        OnnxClassifier(path)
    else:
        refused(lambda: OnnxClassifier(path), "written by to_onnx")


def test_names_that_are_no_text(exported, tmp_path):
    path = changed(exported, tmp_path, set_metadata("output", "LETTERS"))
    path.write_bytes(path.read_bytes().replace(b"LETTERS", b"\xff" * 7))
    refused(lambda: OnnxClassifier(path), "names that are no text")


def test_an_output_that_is_no_row_of_numbers(exported, tmp_path):
    def scalar(proto):
        output = proto.graph.output[0]
        proto.graph.node.append(
            onnx.helper.make_node(
                "ReduceSum", [output.name], ["sum"], keepdims=0
            )
        )
        output.name = "sum"
        del output.type.tensor_type.shape.dim[:]

    path = changed(exported, tmp_path, scalar)
    refused(lambda: OnnxClassifier(path), "must be an ONNX file")


@pytest.mark.parametrize("shape", [(), (2**40, 8, 8, 1), (1, 2**20, 2**20, 1)])
def test_an_input_that_is_no_image_or_a_huge_batch(exported, tmp_path, shape):
    def reshape(proto):
        dims = proto.graph.input[0].type.tensor_type.shape.dim
        del dims[:]
        for side in shape:
            dims.add(dim_value=side)

    path = changed(exported, tmp_path, reshape)
    refused(lambda: OnnxClassifier(path), "must (take images|be an ONNX file)")


@pytest.mark.parametrize("fraction", ["1e-320", "nan", "0.01", "-1", "[]"])
def test_a_fraction_that_would_be_scaled_without_end(
    exported, tmp_path, fraction
):
    def add(proto):
        proto.metadata_props.add(key="crop_fraction", value=fraction)

    path = changed(exported, tmp_path, add)
    refused(lambda: OnnxClassifier(path), "crop_fraction in the file's meta")


def test_a_graph_that_fails_at_its_images(exported, tmp_path):
    def reshape(proto):
        # What the file says of its output is not what comes out of it.
        output = proto.graph.output[0].name
        for node in proto.graph.node:
            if output in node.output:
                node.output[list(node.output).index(output)] = "inner"
        proto.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array([7, 11]), "shape")
        )
        proto.graph.node.append(
            onnx.helper.make_node("Reshape", ["inner", "shape"], [output])
        )

    path = changed(exported, tmp_path, reshape)

    def classify():
        OnnxClassifier(path)(np.zeros((9, 9), "uint8"))

    refused(classify, "must be")


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "/dev/zero"])
def test_weights_of_another_file_are_not_read(exported, tmp_path, place):
    (tmp_path / "secret").write_bytes(bytes(10**6))
    (tmp_path / "inner").mkdir()

    def point(proto):
        weights = proto.graph.initializer[0]
        weights.ClearField("raw_data")
        weights.data_location = onnx.TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=place)

    path = changed(exported, tmp_path / "inner", point)
    refused(lambda: OnnxClassifier(path), "is damaged or something else")


@pytest.fixture
def trap(tmp_path):
    """Path of a model with a Lambda that writes a file when it is called."""
    target = str(tmp_path / "sprung")

    def spring(x):
        open(target, "w").close()
        return x

    image = keras.Input((8, 8, 1))
    x = keras.layers.Lambda(lambda x: spring(x), output_shape=(8, 8, 1))(image)
    (tmp_path / "sprung").unlink(missing_ok=True)
    x = keras.layers.Conv2D(2, 3)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    path = tmp_path / "trap.keras"
    keras.Model(image, keras.layers.Dense(2)(x)).save(path)
    (tmp_path / "sprung").unlink(missing_ok=True)
    yield path
    assert not (tmp_path / "sprung").exists()


def test_a_lambda_is_refused_by_all_that_loads_models(trap, tmp_path):
    words = "must be a model saved by Keras, but is damaged or of another kind"
    refused(lambda: load_keras(trap), words)
    folder = RunFolder(tmp_path / "run")
    folder.models.mkdir(parents=True)
    trap.rename(folder.cohort)
    refused(lambda: load_cohort(folder), words)
    out = tmp_path / "out.onnx"
    refused(lambda: export_model(folder.cohort, out), words)
    assert not out.exists()


def small_model(path, units=3):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
    model.save(path)
    return path


def with_config(path, change):
    """Changes the configuration in a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config["config"]["layers"][-1])
    members["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("units", [10**6, 2**31, 2**63])
def test_a_layer_is_no_larger_than_the_weights_in_its_file(tmp_path, units):
    path = small_model(tmp_path / "model.keras")
    load_keras(path)
    with_config(path, lambda layer: layer["config"].update(units=units))
    refused(lambda: load_keras(path), f"declares a size of {units}")
    load_keras(small_model(path, units=20_000))


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("trap_module", "Layer")],
)
def test_a_class_of_another_module_is_not_imported(
    tmp_path, monkeypatch, module, name
):
    (tmp_path / "trap_module.py").write_text("raise SystemExit('sprung')")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = small_model(tmp_path / "model.keras")
    foreign = {"module": module, "class_name": name, "registered_name": name}
    with_config(path, lambda layer: layer.update(foreign))
    refused(lambda: load_keras(path), "damaged or of another kind")


@pytest.mark.parametrize(
    "name", ["hf://keras/x", "gs://bucket/x.keras", "x.h5"]
)
def test_other_places_and_formats_are_not_asked(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    words = "ends in .keras" if name == "x.h5" else "received a URL"
    refused(lambda: load_keras(name), words)
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "folder.keras" / "config.json").write_text("{}")
    refused(lambda: load_keras("folder.keras"), "a file that ends in .keras")


def test_a_model_that_expands_too_far_is_refused(tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(2**20))
        with archive.open("model.weights.h5", "w") as file:
            for _ in range(300):
                file.write(bytes(2**20))
    refused(lambda: load_keras(path), "may hold 268,435,456 at most")
