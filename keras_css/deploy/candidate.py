"""A file in the making: a student's ONNX model and how to run it."""

import dataclasses

import keras
import numpy as np

from keras_css.deploy import graph
from keras_css.deploy import reduce
from keras_css.deploy.convert import BATCH
from keras_css.deploy.convert import convert
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.students.preprocessing import find_preprocessing
from keras_css.students.preprocessing import without_preprocessing
from keras_css_runtime.onnx_file import INPUTS
from keras_css_runtime.onnx_file import OUTPUTS
from keras_css_runtime.onnx_file import OnnxFile
from keras_css_runtime.settings import Number

MOST_IN_A_BATCH = 65536


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """The form of the file.

    Attributes:
        input_kind: `"uint8"`, pixels `(batch, H, W, channels)` with the
            preprocessing inside; `"float_nhwc"` and `"float_nchw"`, normalised
            images; `"auto"`, uint8 if the student has preprocessing.
        output: `"logits"` or `"probabilities"`, whatever the model puts out.
        batch_size: A fixed batch, or None for any.
        precision: `"fp32"`, `"fp16"` or `"int8"`.
        max_accuracy_drop: The most a reduced precision may lose on any split;
            refused where it lost more with 95 % confidence.
    """

    input_kind: str = "auto"
    output: str = "logits"
    batch_size: int | None = None
    precision: str = "fp32"
    max_accuracy_drop: float = 0.01

    def __post_init__(self):
        for kind, value, known in (
            ("input", self.input_kind, ("auto", *INPUTS)),
            ("output", self.output, OUTPUTS),
            ("precision", self.precision, reduce.PRECISIONS),
        ):
            if value not in known:
                raise unknown_name(kind, value, known)
        if not Number(-1, 1).takes(self.max_accuracy_drop):
            raise UserError(
                "max_accuracy_drop must be a fraction of 1, received "
                f"{self.max_accuracy_drop}."
            )
        size = self.batch_size
        most = Number(1, MOST_IN_A_BATCH, whole=True)
        if size is not None and not most.takes(size):
            raise UserError(
                f"The batch size must lie in [1, {MOST_IN_A_BATCH}], received "
                f"{size}: leave it out for any batch size."
            )


class Candidate:
    """Makes and runs ONNX models of one student.

    Args:
        student: A Keras model from images `(B, H, W, channels)` to logits or
            probabilities.
        options: The `ExportOptions`.
        scratch: A folder for intermediate files.

    Attributes:
        input_kind: As in `ExportOptions`, `"auto"` decided.
    """

    def __init__(self, student, options, scratch):
        self.student, self.options, self.scratch = student, options, scratch
        preprocessing = find_preprocessing(student)
        self.input_kind = options.input_kind
        if self.input_kind == "auto":
            self.input_kind = "uint8" if preprocessing else "float_nhwc"
        if self.input_kind == "uint8" and not preprocessing:
            raise UserError(
                "uint8 input needs a student with preprocessing inside, "
                "received one without: use float_nhwc or float_nchw."
            )
        self.core, self.normalise = student, None
        if self.input_kind != "uint8" and preprocessing:
            self.core = without_preprocessing(student)
            (self.normalise,) = preprocessing

    def convert(self, images):
        """Returns `(proto, output)`: the float32 model, simplified and tidied.

        Args:
            images: Images as the student takes them.

        Returns:
            An `onnx.ModelProto` with output `logits`, and what the Keras
            student puts out for the images, `(N, C)`.
        """
        kept = np.asarray(images)
        if self.normalise is not None:
            kept = self._normalised(kept)
        proto, logits = convert(
            self.core, self.input_kind, self.options.batch_size, kept
        )
        proto = graph.simplify(proto, self.scratch / "simple.onnx")
        graph.name_output(proto, "logits")
        graph.tidy(proto)
        graph.keep_only_weights(proto)
        graph.check(proto)
        return proto, logits

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
        graph.tidy(proto)
        graph.check(proto)
        return proto

    def feed(self, images):
        """Returns images as the file's input takes them.

        Args:
            images: Array `(N, H, W, channels)` as the student takes them.
        """
        images = np.asarray(images)
        if self.input_kind == "uint8":
            return images
        if self.normalise is not None:
            images = self._normalised(images)
        images = images.astype("float32")
        if self.input_kind == "float_nchw":
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images)

    def measure(self, proto, images, splits):
        """Runs a model as a file in onnxruntime.

        Args:
            proto: An `onnx.ModelProto`.
            images: Images of the proof.
            splits: Dict from name to `Split`.

        Returns:
            `(output, correct)`: array `(N, C)` for the images, and dict from
            split name to bools, which answers were right.
        """
        path = self.scratch / "measured.onnx"
        path.write_bytes(proto.SerializeToString())
        file = OnnxFile(path)
        output = file.run(self.feed(images))
        correct = {}
        for name, split in splits.items():
            known = split.images is images
            found = output if known else file.run(self.feed(split.images))
            correct[name] = found.argmax(axis=-1) == split.labels
        return output, correct

    def _normalised(self, images):
        parts = [
            keras.ops.convert_to_numpy(self.normalise(part))
            for part in np.array_split(images, -(-len(images) // BATCH))
        ]
        return np.concatenate(parts)
