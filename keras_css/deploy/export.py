"""One student to one ONNX file, proven before it appears."""

import hashlib
import json
import pathlib
import tempfile

import keras
import numpy as np

from keras_css.deploy import graph
from keras_css.deploy import proof
from keras_css.deploy.candidate import Candidate
from keras_css.deploy.candidate import ExportOptions
from keras_css.errors import UserError
from keras_css.runs.folder import write_atomically
from keras_css.version import __version__

RANDOM_IMAGES = 32
LICENCE = (
    "The file holds weights trained by its user, who decides on their licence; "
    "the terms of the training images may bind them, too."
)


def export_onnx(
    student,
    path,
    class_names=None,
    validation=None,
    test=None,
    about=None,
    say=print,
    **options,
):
    """Writes a student as ONNX and `<name>.json` beside it, or neither.

    Args:
        student: A Keras model from images `(B, H, W, channels)` to logits
            `(B, C)`, as `OnlineDistiller.student` makes it.
        path: Where the file goes; ends in `.onnx`.
        class_names: List of C names; default `"0"`, `"1"`, ...
        validation: A `Split` of images as the student takes them and labels:
            the proof's, and the calibration's for int8. Without it the proof
            is done on random pixels, and the file says so.
        test: A `Split` on which the file's accuracy is measured.
        about: Dict of further metadata (dataset, student, method, ...).
        say: Function that takes a line for the user.
        **options: The form of the file, attributes of `ExportOptions`.

    Returns:
        The contents of the JSON file.

    Raises:
        UserError: If something given does not fit.
        ProofError: If the file does not do what the student does, or a reduced
            precision lost too much. Nothing was written, an earlier file stays.
    """
    options = ExportOptions(**options)
    path = pathlib.Path(path)
    _check_target(path)
    check_student(student)
    class_names = _class_names(student, class_names)
    splits = {"validation": validation, "test": test}
    splits = {name: split for name, split in splits.items() if split}
    say(f"converting to ONNX, opset {graph.OPSET} (half a minute)")
    with tempfile.TemporaryDirectory() as scratch:
        candidate = Candidate(student, options, pathlib.Path(scratch))
        images = _proof_images(candidate, splits)
        proto, report = _prove(candidate, images, splits)
    report = {
        "student": "student",
        **(about or {}),
        "class_names": class_names,
        "image_shape": list(student.inputs[0].shape[1:]),
        "input": candidate.input_kind,
        "output": options.output,
        "precision": options.precision,
        "preprocessing": _describe_preprocessing(candidate.preprocessing),
        **report,
        "keras_css_version": __version__,
        "licence": LICENCE,
    }
    graph.set_metadata(proto, report)
    content = proto.SerializeToString()
    report["bytes"] = len(content)
    report["sha256"] = hashlib.sha256(content).hexdigest()
    _write_both(path, content, report)
    return report


def _prove(candidate, images, splits):
    """Returns the model in its precision, and what was measured of it."""
    expected = candidate.expected(images)
    proto = candidate.convert()
    output, accuracies = candidate.measure(proto, images, splits)
    proven = proof.compare(output, expected)
    proof.check_exact(proven)
    kind = "validation images" if "validation" in splits else "random images"
    report = {
        **graph.describe(proto),
        "proof": {"images": f"{len(images)} {kind}", **proven},
        "accuracy": accuracies,
    }
    if candidate.options.precision == "fp32":
        return proto, report
    whole = proto.ByteSize()
    proto = candidate.reduce(proto, images)
    output, reduced = candidate.measure(proto, images, splits)
    drops = {name: accuracies[name] - reduced[name] for name in splits}
    proof.check_drop(drops, candidate.options.max_accuracy_drop)
    report["accuracy"] = reduced
    report["reduced"] = {
        **proof.compare(output, expected),
        "accuracy_fp32": accuracies,
        "accuracy_drop": drops,
        "size_ratio": proto.ByteSize() / whole,
    }
    return proto, report


def _write_both(path, content, report):
    """Writes the two files; the earlier ones go when both are whole."""
    text = json.dumps(report, indent=2) + "\n"

    def write(part):
        part.write_text(text, "utf-8")
        write_atomically(path, lambda onnx: onnx.write_bytes(content))

    write_atomically(path.with_suffix(".json"), write)


def _check_target(path):
    if path.suffix != ".onnx":
        raise UserError(
            f"The exported file must end in .onnx, received '{path}'."
        )
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(
            "The exported file must be a file in a folder that exists, "
            f"received '{path}'."
        )


def check_student(student):
    """Raises `UserError` unless a model maps images to class logits."""
    # A subclassed model does not know its inputs.
    inputs = len(getattr(student, "inputs", None) or [])
    outputs = len(getattr(student, "outputs", None) or [])
    if inputs != 1 or outputs != 1:
        raise UserError(
            "A student must be a functional model with one input and one "
            f"output, received a {type(student).__name__} with {inputs} and "
            f"{outputs}."
        )
    image, logits = student.inputs[0].shape, student.outputs[0].shape
    if len(image) != 4 or None in image[1:] or len(logits) != 2:
        raise UserError(
            "A student must map images (batch, height, width, channels) of one "
            f"size to logits (batch, classes), received {image} to {logits}."
        )


def _class_names(student, names):
    classes = student.outputs[0].shape[-1]
    names = [str(i) for i in range(classes)] if names is None else names
    if len(names) != classes:
        raise UserError(
            f"class_names must be as many as the student's {classes} classes, "
            f"received {len(names)}."
        )
    return [str(name) for name in names]


def _proof_images(candidate, splits):
    if "validation" in splits:
        return splits["validation"].images
    rng = np.random.default_rng(0)
    shape = (RANDOM_IMAGES, *candidate.student.inputs[0].shape[1:])
    if candidate.preprocessing is not None:
        return rng.integers(0, 256, shape, dtype="uint8")
    return rng.normal(size=shape).astype("float32")


def _describe_preprocessing(layer):
    if layer is None:
        return None
    if not isinstance(layer, keras.layers.Rescaling):
        return {"layer": type(layer).__name__}
    return {
        "rule": "pixels from 0 to 255, times scale plus offset",
        "scale": np.asarray(layer.scale, "float64").tolist(),
        "offset": np.asarray(layer.offset, "float64").tolist(),
        "size": "scaled bilinearly to cover image_shape, then centre crop",
    }
