"""One student to one ONNX file, proven before it appears."""

import dataclasses
import hashlib
import json
import os
import pathlib
import tempfile
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_css.class_names import check_class_names
from keras_css.data import Split
from keras_css.deploy import graph
from keras_css.deploy import proof
from keras_css.deploy.candidate import Candidate
from keras_css.deploy.candidate import ExportOptions
from keras_css.deploy.drop import check_drop
from keras_css.deploy.drop import compare_answers
from keras_css.deploy.ending import without_softmax
from keras_css.errors import UserError
from keras_css.runs.folder import UNFINISHED
from keras_css.runs.folder import json_text
from keras_css.runs.folder import write_together
from keras_css.students.preprocessing import describe_preprocessing
from keras_css.version import __version__
from keras_css_runtime.softmax import are_probabilities
from keras_css_runtime.softmax import softmax

RANDOM_IMAGES = 32
LICENCE = (
    "The file holds weights trained by its user, who decides on their licence; "
    "the terms of the training images may bind them, too."
)


def export_onnx(
    student: keras.Model,
    path: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
    images: np.ndarray | None = None,
    validation: Split | None = None,
    test: Split | None = None,
    trained: Mapping[str, float] | None = None,
    about: Mapping[str, Any] | None = None,
    others: Mapping[str, Split] | None = None,
    say: Callable[[str], object] = print,
    **options: Any,
) -> dict[str, Any]:
    """Writes a student as ONNX and `<name>.json` beside it, or neither.

    What the student puts out is found out: a softmax at its end is taken off
    or, where it lies deeper, undone by a logarithm if logits are wanted.

    Args:
        student: A Keras model from images `(B, H, W, channels)` to logits or
            probabilities `(B, C)`, as `OnlineDistiller.student` makes it.
        path: Where the file goes; ends in `.onnx`.
        class_names: List of C different names; default those that the student
            knows, else `"0"`, `"1"`, ...
        images: Array `(N, H, W, channels)` for the proof and the calibration
            of int8, as the student takes them; default those of `validation`.
            Without either the proof is done on random images, and the file
            says so.
        validation: A `Split` on which the file's accuracy is measured.
        test: Another one.
        trained: Dict from `"validation"` or `"test"` to the accuracy that the
            training measured; a file that differs is refused.
        about: Dict of further metadata (dataset, ...); what the student
            says about itself is known.
        others: Dict from further names to `Split`s on which the accuracy is
            measured, too; the first one's images are those of the proof where
            neither `images` nor `validation` are given.
        say: Function that takes a line for the user.
        **options: The form of the file, attributes of `ExportOptions`.

    Returns:
        The contents of the JSON file.

    Raises:
        UserError: If something given does not fit.
        ProofError: If the file does not do what the student does, or a reduced
            precision lost too much. Nothing was written, an earlier file stays.
    """
    form = ExportOptions(**options)
    path = pathlib.Path(path)
    check_target(path)
    check_student(student)
    if class_names is None and not getattr(student, "class_names", None):
        say("the classes have no names: the file numbers them from 0")
    names = _class_names(student, class_names)
    splits = {"validation": validation, "test": test, **(others or {})}
    splits = {
        name: _checked(split, name, student, len(names))
        for name, split in splits.items()
        if split is not None
    }
    bare = without_softmax(student)
    with tempfile.TemporaryDirectory() as scratch:
        candidate = Candidate(bare or student, form, pathlib.Path(scratch))
        proving, kind = _proof_images(candidate, images, splits)
        say(f"converting to ONNX, opset {graph.OPSET} (half a minute)")
        proto, report = _prove(candidate, proving, splits, trained or {}, say)
    if bare is not None:
        report["model_output"] = "softmax"
    _tell_output(report["model_output"], form.output, say)
    report["proof"] = {"images": f"{len(proving)} {kind}", **report["proof"]}
    report = {
        "student": "student",
        **getattr(student, "about", {}),
        **(about or {}),
        "class_names": names,
        "image_shape": list(student.inputs[0].shape[1:]),
        "input": candidate.input_kind,
        "output": form.output,
        "precision": form.precision,
        "preprocessing": describe_preprocessing(student),
        "parameters": student.count_params(),
        "nodes": graph.count_nodes(proto),
        **report,
        "keras_css_version": __version__,
        "licence": LICENCE,
    }
    graph.set_metadata(proto, report)
    content = proto.SerializeToString()
    report["bytes"] = len(content)
    report["sha256"] = hashlib.sha256(content).hexdigest()
    write_together({path: content, beside(path): json_text(report).encode()})
    return report


def beside(path):
    """Returns where the JSON file of an ONNX file lies."""
    return path.with_suffix(".json")


def _prove(candidate, images, splits, trained, say):
    """Returns the finished model, and what was measured of it.

    The float32 model is proven on what its student puts out. A reduced one is
    measured against the same Keras student, and its answers against float32's.
    """
    options = candidate.options
    proto, expected = candidate.convert(images)
    output, correct = candidate.measure(proto, images, splits)
    exact = proof.compare(output, expected)
    proof.check_exact(exact)
    accuracies = _accuracies(correct)
    counts = {name: len(split) for name, split in splits.items()}
    proof.check_trained(accuracies, trained, counts)
    found = "probabilities" if are_probabilities(expected) else "logits"
    report = {"model_output": found, "proof": exact, "accuracy": accuracies}
    if (options.precision, options.output) == ("fp32", found):
        graph.name_output(proto, found)
        return proto, report
    if options.precision != "fp32":
        report["float32"] = {
            **exact,
            "accuracy": accuracies,
            "bytes": proto.ByteSize(),
        }
        proto = candidate.reduce(proto, images)
    expected = _put_out(proto, found, options.output, expected)
    output, after = candidate.measure(proto, images, splits)
    report["proof"] = proof.compare(output, expected)
    report["accuracy"] = _accuracies(after)
    if options.precision != "fp32":
        changes = {
            name: compare_answers(correct[name], after[name]) for name in splits
        }
        report["size_ratio"] = proto.ByteSize() / report["float32"]["bytes"]
        report["accuracy_drop"] = {n: c.drop for n, c in changes.items()}
        report["changed_answers"] = {
            name: dataclasses.asdict(change) for name, change in changes.items()
        }
        check_drop(changes, options.max_accuracy_drop, say)
    return proto, report


def _put_out(proto, found, wanted, expected):
    """Makes a model put out what is wanted, and returns what that should be.

    Args:
        proto: The `onnx.ModelProto`, changed.
        found: What it puts out: `"logits"` or `"probabilities"`.
        wanted: Likewise.
        expected: Array `(N, C)` that it should put out as it is.
    """
    if found == wanted:
        graph.name_output(proto, found)
    elif wanted == "probabilities":
        graph.append_softmax(proto)
        expected = softmax(expected)
    else:
        graph.append_logarithm(proto)
        expected = np.log(np.maximum(expected, graph.LEAST))
    graph.check(proto)
    return expected


def _accuracies(correct):
    return {name: float(np.mean(right)) for name, right in correct.items()}


def _tell_output(found, wanted, say):
    """Says what becomes of an output that is no logits."""
    if found == "softmax":
        becomes = "the logits before it" if wanted == "logits" else "the same"
        say(f"the model ends in softmax: the file puts out {becomes}")
    elif found == "probabilities":
        becomes = "their logarithms" if wanted == "logits" else "the same"
        say(f"the model puts out probabilities: the file puts out {becomes}")


def check_student(student):
    """Raises `UserError` unless a model maps images to numbers of classes."""
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
    if logits[-1] is None or logits[-1] < 2:
        raise UserError(
            "A student must put out a number for each of at least two classes, "
            f"received {logits}: give a classifier of two classes two outputs "
            "and a softmax."
        )


def check_target(path):
    """Raises `UserError` unless an ONNX file may be written there."""
    if path.suffix != ".onnx":
        raise UserError(
            f"The exported file must end in .onnx, received '{path}'."
        )
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(
            "The exported file must be a file in a folder that exists, "
            f"received '{path}'."
        )
    # Found out now, not after the conversion.
    try:
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=path.parent):
            pass
    except OSError as error:
        raise UserError(
            f"'{path}' must lie in a folder that can be written, but cannot: "
            f"{error.strerror}."
        ) from error
    other = beside(path)
    if not other.exists():
        return
    try:
        ours = "sha256" in json.loads(other.read_text("utf-8"))
    except (ValueError, TypeError, OSError):
        ours = False
    if not ours:
        raise UserError(
            f"'{other}' must be the description of an earlier export, or not "
            "exist, but is something else: choose another name."
        )


def _class_names(student, names):
    classes = student.outputs[0].shape[-1]
    if names is None:
        names = getattr(student, "class_names", None) or range(classes)
    return list(check_class_names(names, classes))


def _checked(split, name, student, classes):
    """Returns a split with flat labels that suits the student."""
    images, labels = np.asarray(split.images), np.asarray(split.labels)
    shape = tuple(student.inputs[0].shape[1:])
    if images.shape[1:] != shape or not len(images):
        raise UserError(
            f"The {name} images must be of shape (N, {shape}), received "
            f"{images.shape}."
        )
    labels = labels.reshape(-1) if labels.ndim == 2 else labels
    fits = labels.shape == images.shape[:1] and np.issubdtype(
        labels.dtype, np.integer
    )
    if not fits or labels.min() < 0 or labels.max() >= classes:
        raise UserError(
            f"The {name} labels must be {len(images)} integers in "
            f"[0, {classes - 1}], received {labels.dtype} of shape "
            f"{np.asarray(split.labels).shape}."
        )
    return Split(images, labels)


def _proof_images(candidate, images, splits):
    """Returns the images of the proof and what they are."""
    kind = "given images"
    known = [name for name in splits if name != "test"]
    if images is None and known:
        images, kind = splits[known[0]].images, f"{known[0]} images"
    pixels = candidate.input_kind == "uint8"
    shape = tuple(candidate.student.inputs[0].shape[1:])
    if images is None:
        if candidate.options.precision == "int8":
            raise UserError(
                "int8 is calibrated on real images, received none: give "
                "images or a data set."
            )
        rng = np.random.default_rng(0)
        kind = "random images"
        size = (RANDOM_IMAGES, *shape)
        if pixels or candidate.normalise is not None:
            return rng.integers(0, 256, size, dtype="uint8"), kind
        return rng.normal(size=size).astype("float32"), kind
    images = np.asarray(images)
    if images.shape[1:] != shape or not len(images):
        raise UserError(
            f"The images of the proof must be of shape (N, {shape}), received "
            f"{images.shape}."
        )
    for found in (images, *(split.images for split in splits.values())):
        if pixels and found.dtype != np.uint8:
            raise UserError(
                "A file with uint8 input is measured on uint8 images, received "
                f"{found.dtype}: give pixels from 0 to 255, or choose float "
                "input."
            )
    return images, kind
