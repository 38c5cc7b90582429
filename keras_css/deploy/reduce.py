"""Reduced precision: float16 and int8 files from the float32 one."""

import logging
import warnings

import numpy as np
import onnx

from keras_css.deploy.graph import simplify

PRECISIONS = ("fp32", "fp16", "int8")
CALIBRATION_IMAGES = 512
CALIBRATION_BATCH = 32


def to_float16(proto):
    """Returns the model with weights and activations in float16.

    Input and output keep their types, so that callers need not change.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        # It warns of each value below float16's smallest; the proof decides.
        warnings.simplefilter("ignore")
        return convert_float_to_float16(proto, keep_io_types=True)


def to_int8(proto, images, folder):
    """Returns the model quantised to 8 bits, static, per channel.

    Weights become int8, activations uint8 with ranges seen on real images;
    QDQ form, which onnxruntime runs with integer kernels on CPUs.

    Args:
        proto: The float32 `onnx.ModelProto`.
        images: Array `(N, ...)` of calibration images in the form the file's
            input takes; at most `CALIBRATION_IMAGES`, evenly spaced, are used.
        folder: A scratch folder.
    """
    source, target = folder / "float.onnx", folder / "int8.onnx"
    # Constants must be initializers for the quantiser to see them.
    onnx.save(simplify(proto, folder / "simple.onnx"), source)
    # It advises what was done already, and says so on the root logger.
    logging.disable(logging.WARNING)
    try:
        _quantise(source, target, images, _batch(proto))
    finally:
        logging.disable(logging.NOTSET)
    return onnx.load(target)


def _quantise(source, target, images, batch_size):
    from onnxruntime.quantization import QuantFormat
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_static

    quantize_static(
        source,
        target,
        _Calibration(images, batch_size),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        # CPUs without VNNI saturate on full 8-bit weights.
        reduce_range=True,
        op_types_to_quantize=["Conv", "Gemm", "MatMul", "Add"],
    )


def _batch(proto):
    batch = proto.graph.input[0].type.tensor_type.shape.dim[0]
    return batch.dim_value or CALIBRATION_BATCH


class _Calibration:
    """What onnxruntime calls a calibration data reader."""

    def __init__(self, images, batch_size):
        # Evenly spaced: a data set may be sorted by class.
        count = min(len(images), CALIBRATION_IMAGES)
        count = -(-count // batch_size) * batch_size
        chosen = np.linspace(0, len(images) - 1, count).astype(int)
        self.parts = iter(np.split(images[chosen], count // batch_size))

    def get_next(self):
        part = next(self.parts, None)
        return None if part is None else {"image": part}
