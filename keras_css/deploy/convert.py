"""Keras to ONNX, in a process of its own with the TensorFlow backend.

tf2onnx converts TensorFlow functions only, and Keras cannot change its backend
once it is imported; so a process with that backend converts, whatever backend
trained the student. It stays for a minute, for the next student. It also says
what the student makes of the proof's images, on the CPU in full float32: a GPU
would round convolutions to TensorFloat-32.
"""

import functools
import importlib
import json
import pathlib
import sys
import tempfile

import keras
import loky
import numpy as np

from keras_css.deploy.graph import OPSET
from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css_runtime.silence import be_silent

BATCH = 64


def convert(student, input_kind, batch_size, images):
    """Returns a student as an ONNX model, as tf2onnx makes it.

    Args:
        student: A Keras model from `(B, H, W, channels)` to logits `(B, C)`.
        input_kind: `"uint8"` and `"float_nhwc"` for images `(B, H, W, c)`,
            `"float_nchw"` for `(B, c, H, W)`.
        batch_size: A fixed B, or None for any.
        images: Array `(N, H, W, channels)` as the student takes them.

    Returns:
        `(proto, logits)`: an `onnx.ModelProto` with input `image` and output
        `logits`, and the Keras student's logits `(N, C)` of the images.

    Raises:
        UserError: If the student holds layers that cannot be converted, or
            there is no room for temporary files.
    """
    import onnx

    spec = {
        "input_kind": input_kind,
        "batch_size": batch_size,
        "modules": _own_modules(student),
        "path": sys.path,
    }
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        student.save(folder / "student.keras")
        np.save(folder / "images.npy", images)
        (folder / "spec.json").write_text(json.dumps(spec), "utf-8")
        try:
            _process().submit(_convert_folder, folder).result()
        except OSError as error:
            raise _cannot(
                f"find room in '{tempfile.gettempdir()}' to convert", error
            ) from error
        # tf2onnx raises nearly anything, or ends its process.
        except Exception as error:
            _process.cache_clear()
            needed = "consist of layers that tf2onnx converts"
            raise _cannot(needed, error) from error
        proto = onnx.load(folder / "student.onnx")
        return proto, np.load(folder / "logits.npy")


def _cannot(needed, error):
    return UserError(f"The student must {needed}, but: {first_line(error)}")


def _own_modules(student):
    """Returns the modules that define layers which are not Keras' own."""
    objects = [type(layer) for layer in student._flatten_layers()]
    modules = {kind.__module__ for kind in objects}
    if "__main__" in modules:
        raise UserError(
            "A layer of your own must be defined in a module, so that the "
            "converter's process can import it, received one of the main "
            "program: move it into a file and import it."
        )
    # What such layers refer to by name may be registered anywhere.
    if any(name.split(".")[0] != "keras" for name in modules):
        registered = keras.saving.get_custom_objects().values()
        modules |= {thing.__module__ for thing in registered}
    modules.discard("__main__")
    return sorted(name for name in modules if name.split(".")[0] != "keras")


@functools.cache
def _process():
    return loky.ProcessPoolExecutor(
        max_workers=1,
        timeout=60,
        env={
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "CUDA_VISIBLE_DEVICES": "-1",
        },
        initializer=be_silent,
    )


def _convert_folder(folder):
    """Converts `student.keras` to `student.onnx` as `spec.json` says."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    spec = json.loads((folder / "spec.json").read_text("utf-8"))
    sys.path.extend(place for place in spec["path"] if place not in sys.path)
    for module in spec["modules"]:
        importlib.import_module(module)
    student = keras.saving.load_model(folder / "student.keras", compile=False)
    np.save(folder / "logits.npy", _logits(student, folder / "images.npy"))
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
        return {"logits": student(image, training=False)}

    signature = [
        tf.TensorSpec((spec["batch_size"], *shape), dtype, name="image")
    ]
    function = tf.function(call, input_signature=signature)
    # Keras wraps a grouped convolution in a function of its own, which tf2onnx
    # would leave a call; run eagerly, it becomes a part of the one here.
    tf.config.run_functions_eagerly(True)
    try:
        proto, _ = tf2onnx.convert.from_function(
            function, signature, opset=OPSET
        )
        _keep_constants(proto, function.get_concrete_function(*signature))
    finally:
        tf.config.run_functions_eagerly(False)
    _write_erfc(proto)
    onnx.save(proto, folder / "student.onnx")
    keras.backend.clear_session()


def _logits(student, path):
    images = np.load(path)
    return student.predict(images, batch_size=BATCH, verbose=0)


def _keep_constants(proto, function):
    """Turns what tf2onnx takes for inputs, constant tensors, back into such."""
    from onnx import numpy_helper

    for tensor, placeholder in function.graph.captures:
        for given in list(proto.graph.input):
            if given.name == placeholder.name:
                proto.graph.input.remove(given)
                constant = numpy_helper.from_array(tensor.numpy(), given.name)
                proto.graph.initializer.append(constant)


def _write_erfc(proto):
    """Writes `erfc(x)`, a part of GELU that ONNX has not, as `1 - erf(x)`."""
    from onnx import helper
    from onnx import numpy_helper

    nodes = []
    for node in proto.graph.node:
        if node.op_type != "Erfc":
            nodes.append(node)
            continue
        (x,), (y,) = node.input, node.output
        one, erf = f"{y}/one", f"{y}/erf"
        constant = numpy_helper.from_array(np.float32(1.0), one)
        proto.graph.initializer.append(constant)
        nodes += [
            helper.make_node("Erf", [x], [erf], name=erf),
            helper.make_node("Sub", [one, erf], [y], name=node.name),
        ]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
