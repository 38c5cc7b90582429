"""A teacher in an ONNX file, which onnxruntime runs outside any step."""

import numpy as np
from keras import ops

from keras_css.errors import UserError
from keras_css.teachers.teacher import LEAST
from keras_css.teachers.teacher import Teacher
from keras_css_runtime.classifier import OnnxClassifier


class OnnxTeacher(Teacher):
    """A classifier that `to_onnx` wrote, as a teacher.

    Its outputs can be stored before training and not be computed in a step.
    Where the file takes bytes, changed pixels are rounded to such.

    Args:
        path: The file.
        name, about: As of `Teacher`.

    Raises:
        UserError: If it is missing, damaged, or not written by `to_onnx`.
    """

    def __init__(self, path, name=None, about=None):
        self.file = OnnxClassifier(path)
        self.name, self.about = name or str(path), about or {}
        self.class_names = self.file.class_names
        self.num_classes = len(self.class_names)
        self.image_shape = self.file.image_shape

    @property
    def variables(self):
        return []

    def check_in_steps(self):
        raise UserError(
            f"Teacher '{self.name}' is an ONNX file, which no step can run: "
            "let its outputs be stored, by the command train with "
            "--teacher_views 1 or more."
        )

    def logits(self, images):
        self.check_in_steps()

    def said(self, images):
        images = ops.convert_to_numpy(self.seen(images))
        if self.file.metadata["input"] == "uint8":
            images = np.clip(np.rint(images), 0, 255).astype("uint8")
        found = self.file.run(images)
        if self.file.metadata["output"] == "probabilities":
            return np.log(np.maximum(found, LEAST))
        return found
