"""What ships: cutting a student out, ONNX, reduced precision, benchmarks."""

from keras_css.deploy.cut import cut_student
from keras_css.deploy.export import export_onnx
from keras_css.deploy.export_run import export_model
from keras_css.deploy.export_run import export_run
from keras_css_runtime.classifier import OnnxClassifier

__all__ = [
    "OnnxClassifier",
    "cut_student",
    "export_model",
    "export_onnx",
    "export_run",
]
