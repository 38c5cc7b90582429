"""Hostile ONNX files and `.keras` files."""

import functools
import io
import json
import zipfile

import numpy as np

from fuzzing.mutations import TEXTS
from fuzzing.mutations import hostile_value
from fuzzing.mutations import json_bytes
from fuzzing.mutations import spoil_bytes
from fuzzing.reader import Reader
from keras_css.saved import load_keras
from keras_css_runtime.classifier import OnnxClassifier

METADATA = {
    "class_names": json.dumps(["ant", "bee"]),
    "image_shape": "[4, 4, 1]",
    "input": "uint8",
    "output": "logits",
    "crop_fraction": "0.875",
    "preprocessing": '{"scale": [1.0], "offset": [0.0]}',
}
FOREIGN = (
    *("os", "subprocess", "builtins", "keras.src.utils", "this", "antigravity"),
    *("keras.layers", "keras_css", "", "..", None, 3),
)
NAMES = (
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "eval", "system", "Popen"),
    *("get_file", "Dense", "Sequential", "function", "", None, 1),
)


@functools.cache
def _proto():
    """Returns a small classifier as `to_onnx` writes them."""
    from onnx import TensorProto
    from onnx import helper

    weights = np.arange(32, dtype="float32").reshape(16, 2)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["x"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "w"], ["logits"]),
        ],
        "student",
        [
            helper.make_tensor_value_info(
                "image", TensorProto.UINT8, ["batch", 4, 4, 1]
            )
        ],
        [
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["batch", 2]
            )
        ],
        [
            helper.make_tensor(
                "w", TensorProto.FLOAT, (16, 2), weights.tobytes(), raw=True
            )
        ],
    )
    opset = helper.make_opsetid("", 18)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def _make_onnx(rng, folder):
    from onnx import ModelProto
    from onnx import TensorProto

    proto = ModelProto()
    proto.CopyFrom(_proto())
    metadata = dict(METADATA)
    for _ in range(rng.choice((0, 1, 1, 2))):
        key = rng.choice(list(metadata))
        try:
            inner = json.loads(metadata[key])
        except (ValueError, RecursionError):
            inner = metadata[key]
        text = json_bytes(rng, inner if isinstance(inner, list) else [inner])
        metadata[key] = rng.choice(
            (text.decode("utf-8", "replace"), str(hostile_value(rng)))
        ).replace("\ud800", "?")
        if rng.random() < 0.2:
            del metadata[key]
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value[:200_000])
    kind = rng.randrange(9)
    weights = proto.graph.initializer[0]
    if kind == 0:
        weights.dims[rng.randrange(2)] = rng.choice((-1, 0, 2**31, 2**62))
    elif kind == 1:
        # Bytes of another file stand for weights.
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        place = rng.choice(("/etc/passwd", "../x", "/dev/zero", "student.onnx"))
        weights.external_data.add(key="location", value=place)
        weights.external_data.add(key="length", value="128")
    elif kind == 2:
        value = rng.choice((-1, 0, 5, 2**40))
        shape = proto.graph.input[0].type.tensor_type.shape
        shape.dim[rng.randrange(4)].dim_value = value
    elif kind == 3:
        proto.graph.node[rng.randrange(3)].op_type = rng.choice(
            ("Loop", "Softmax", "Identity", "Transpose", "X", "")
        )
    elif kind == 4:
        proto.graph.output[0].name = rng.choice(("x", "flat", "image", ""))
    data = proto.SerializeToString()
    (folder / "student.onnx").write_bytes(
        spoil_bytes(rng, data) if rng.random() < 0.4 else data
    )


def _read_onnx(folder):
    classifier = OnnxClassifier(folder / "student.onnx", threads=1)
    classifier(np.zeros((2, 9, 7, 3), "uint8"))


@functools.cache
def _members():
    """Returns the members of the `.keras` file of a small network."""
    import keras

    import keras_css

    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(2)(x))
    file = io.BytesIO()
    # Registered classes of ours can be named in a file.
    assert keras_css.MultiBranchNetwork
    with zipfile.ZipFile(_saved(model, file)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _saved(model, file):
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place) / "model.keras"
        model.save(path)
        file.write(path.read_bytes())
    return file


def _make_keras(rng, folder):
    members = dict(_members())
    kind = rng.randrange(6)
    if kind < 3:
        config = json.loads(members["config.json"])
        if kind == 0:
            layer = rng.choice(config["config"]["layers"])
            layer["class_name"] = rng.choice(NAMES)
            layer["module"] = rng.choice(FOREIGN)
            if rng.random() < 0.5:
                layer["registered_name"] = rng.choice(FOREIGN)
        if kind == 1:
            layer = rng.choice(config["config"]["layers"])
            layer["config"]["activation"] = {
                "module": rng.choice(FOREIGN),
                "class_name": rng.choice(("function", "__lambda__", *NAMES)),
                "config": rng.choice(("system", "eval", {"value": "x"}, None)),
            }
        members["config.json"] = json_bytes(rng, config)
    elif kind == 3:
        name = "model.weights.h5"
        members[name] = spoil_bytes(rng, members[name])
    elif kind == 4:
        name = rng.choice((*members, "assets/../../x", *TEXTS[:20]))
        members[name.replace("\0", "0") or "0"] = rng.randbytes(20)
        del members[rng.choice(list(members))]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice((0, 8))) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    data = file.getvalue()
    if rng.random() < 0.2:
        data = spoil_bytes(rng, data)
    (folder / "model.keras").write_bytes(data)


def _read_keras(folder):
    load_keras(folder / "model.keras")


READERS = [
    Reader("onnx", _make_onnx, _read_onnx),
    Reader("keras", _make_keras, _read_keras),
]
