"""What ships: ONNX files with their proof, reduced precision, benchmarks."""

from keras_css.deploy.export import export_onnx
from keras_css.deploy.export_run import export_model
from keras_css.deploy.export_run import export_run
from keras_css_runtime.classifier import OnnxClassifier

__all__ = ["OnnxClassifier", "export_model", "export_onnx", "export_run"]
