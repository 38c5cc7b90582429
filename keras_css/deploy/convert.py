"""Keras to ONNX, in a process of its own with the TensorFlow backend.

tf2onnx converts TensorFlow functions only, and Keras cannot change its backend
once it is imported; so `convert` starts `python -m keras_css.deploy.convert`,
whatever backend trained the student.
"""

import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from keras_css.deploy.graph import OPSET
from keras_css.errors import UserError

PROGRAM = "keras_css.deploy.convert"


def convert(student, input_kind, output, batch_size=None):
    """Returns a student as an ONNX model, as tf2onnx makes it.

    Args:
        student: A Keras model from `(B, H, W, channels)` to logits `(B, C)`.
        input_kind: `"uint8"` and `"float_nhwc"` for images `(B, H, W, c)`,
            `"float_nchw"` for `(B, c, H, W)`.
        output: `"logits"` or `"probabilities"`.
        batch_size: A fixed B, or None for any.

    Returns:
        An `onnx.ModelProto` with input `image` and output named `output`.

    Raises:
        UserError: If the student holds layers that cannot be converted.
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        student.save(folder / "student.keras")
        spec = {
            "input_kind": input_kind,
            "output": output,
            "batch_size": batch_size,
            "modules": _own_modules(student),
        }
        (folder / "spec.json").write_text(json.dumps(spec), "utf-8")
        done = subprocess.run(
            [sys.executable, "-m", PROGRAM, str(folder)],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise UserError(
                "The student must consist of layers that tf2onnx can convert, "
                f"but it failed: {lines[-1] if lines else done.returncode}"
            )
        return onnx.load(folder / "student.onnx")


def _own_modules(student):
    """Returns the modules of layers that are not Keras' own."""
    modules = {type(layer).__module__ for layer in student.layers}
    return sorted(m for m in modules if m.split(".")[0] != "keras")


def _environment():
    package = pathlib.Path(__file__).parents[2]
    known = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # A GPU would be of no use here and may be full.
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": os.pathsep.join([str(package), *filter(None, [known])]),
    }


def main(folder):
    """Converts `student.keras` to `student.onnx` as `spec.json` says."""
    import keras
    import onnx
    import tensorflow as tf
    import tf2onnx

    spec = json.loads((folder / "spec.json").read_text("utf-8"))
    for module in spec["modules"]:
        importlib.import_module(module)
    student = keras.saving.load_model(folder / "student.keras", compile=False)
    height, width, channels = student.inputs[0].shape[1:]
    shape, dtype = (height, width, channels), tf.float32
    if spec["input_kind"] == "uint8":
        dtype = tf.uint8
    elif spec["input_kind"] == "float_nchw":
        shape = (channels, height, width)

    def call(image):
        image = tf.cast(image, tf.float32)
        if spec["input_kind"] == "float_nchw":
            image = tf.transpose(image, (0, 2, 3, 1))
        result = student(image, training=False)
        if spec["output"] == "probabilities":
            result = tf.nn.softmax(result)
        return {spec["output"]: result}

    signature = [
        tf.TensorSpec((spec["batch_size"], *shape), dtype, name="image")
    ]
    function = tf.function(call, input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, signature, opset=OPSET)
    _keep_constants(proto, function.get_concrete_function(*signature))
    onnx.save(proto, folder / "student.onnx")


def _keep_constants(proto, function):
    """Turns what tf2onnx takes for inputs, constant tensors, back into such."""
    from onnx import numpy_helper

    for tensor, placeholder in function.graph.captures:
        for given in list(proto.graph.input):
            if given.name == placeholder.name:
                proto.graph.input.remove(given)
                constant = numpy_helper.from_array(tensor.numpy(), given.name)
                proto.graph.initializer.append(constant)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
