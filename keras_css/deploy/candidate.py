"""A file in the making: a student's ONNX model and how to run it."""

import dataclasses

import keras
import numpy as np

from keras_css.deploy import graph
from keras_css.deploy import proof
from keras_css.deploy import reduce
from keras_css.deploy.convert import convert
from keras_css.deploy.cut import find_preprocessing
from keras_css.deploy.cut import without_preprocessing
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css_runtime.session import open_session

INPUTS = ("auto", "uint8", "float_nhwc", "float_nchw")
OUTPUTS = ("logits", "probabilities")


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """The form of the file.

    Attributes:
        input_kind: `"uint8"`, pixels `(batch, H, W, channels)` with the
            preprocessing inside; `"float_nhwc"` and `"float_nchw"`, normalised
            images; `"auto"`, uint8 if the student has preprocessing.
        output: `"logits"` or `"probabilities"`.
        batch_size: A fixed batch, or None for any.
        precision: `"fp32"`, `"fp16"` or `"int8"`.
        max_accuracy_drop: The most a reduced precision may lose on any split.
    """

    input_kind: str = "auto"
    output: str = "logits"
    batch_size: int | None = None
    precision: str = "fp32"
    max_accuracy_drop: float = 0.01

    def __post_init__(self):
        for kind, value, known in (
            ("input", self.input_kind, INPUTS),
            ("output", self.output, OUTPUTS),
            ("precision", self.precision, reduce.PRECISIONS),
        ):
            if value not in known:
                raise unknown_name(kind, value, known)
        if self.batch_size is not None and self.batch_size < 1:
            raise UserError(
                "The batch size must be at least 1, received "
                f"{self.batch_size}: leave it out for any batch size."
            )


class Candidate:
    """Makes and runs ONNX models of one student.

    Args:
        student: A Keras model from images `(B, H, W, channels)` to logits.
        options: The `ExportOptions`.
        scratch: A folder for intermediate files.

    Attributes:
        preprocessing: The student's preprocessing layer, or None.
        input_kind: As in `ExportOptions`, `"auto"` decided.
    """

    def __init__(self, student, options, scratch):
        self.student, self.options, self.scratch = student, options, scratch
        self.preprocessing = find_preprocessing(student)
        self.input_kind = options.input_kind
        if self.input_kind == "auto":
            has = self.preprocessing is not None
            self.input_kind = "uint8" if has else "float_nhwc"

    def convert(self):
        """Returns the float32 ONNX model, simplified, tidied and checked."""
        core = self.student
        if self.input_kind != "uint8" and self.preprocessing is not None:
            core = without_preprocessing(core)
        options = self.options
        proto = convert(
            core, self.input_kind, options.output, options.batch_size
        )
        proto = graph.simplify(proto, self.scratch / "simple.onnx")
        graph.tidy(proto, options.output)
        graph.check(proto)
        return proto

    def reduce(self, proto, images):
        """Returns the model in the precision asked for.

        Args:
            proto: What `convert` returned.
            images: Images for calibration, as the student takes them.
        """
        if self.options.precision == "fp16":
            proto = reduce.to_float16(proto)
        elif self.options.precision == "int8":
            proto = reduce.to_int8(proto, self.feed(images), self.scratch)
        graph.check(proto)
        return proto

    def feed(self, images):
        """Returns images as the file's input takes them.

        Args:
            images: Array `(N, H, W, channels)` as the student takes them.
        """
        if self.input_kind == "uint8":
            return np.asarray(images)
        if self.preprocessing is not None:
            parts = [
                keras.ops.convert_to_numpy(
                    self.preprocessing(images[start : start + proof.BATCH])
                )
                for start in range(0, len(images), proof.BATCH)
            ]
            images = np.concatenate(parts)
        images = np.asarray(images, "float32")
        if self.input_kind == "float_nchw":
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images)

    def expected(self, images):
        """Returns what the Keras student says, in the form of the output."""
        logits = self.student.predict(images, batch_size=proof.BATCH, verbose=0)
        if self.options.output == "probabilities":
            return keras.ops.convert_to_numpy(keras.ops.softmax(logits))
        return logits

    def measure(self, proto, images, splits):
        """Runs a model as a file in onnxruntime.

        Args:
            proto: An `onnx.ModelProto`.
            images: Images of the proof.
            splits: Dict from name to `Split`.

        Returns:
            `(output, accuracies)`: array `(N, C)` for the images, and dict
            from split name to accuracy.
        """
        path = self.scratch / "measured.onnx"
        path.write_bytes(proto.SerializeToString())
        session = open_session(path)
        output = proof.run_file(session, self.feed(images))
        accuracies = {}
        for name, split in splits.items():
            found = proof.run_file(session, self.feed(split.images))
            accuracies[name] = proof.accuracy(found, split.labels)
        return output, accuracies
