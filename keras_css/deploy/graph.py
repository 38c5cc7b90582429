"""From tf2onnx's graph to the file a user takes home."""

import json

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from keras_css.errors import ProofError
from keras_css.version import __version__

OPSET = 18
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# The version of the ONNX file format that came with opset 18.
IR_VERSION = 8
CPU = ["CPUExecutionProvider"]


def simplify(proto, path):
    """Returns an equal model with constants folded and fewer nodes.

    onnxruntime's basic optimisations: they keep to standard ONNX operators
    and hold on any machine.

    Args:
        proto: An `onnx.ModelProto`.
        path: A scratch file.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = (
        ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    )
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(proto.SerializeToString(), options, providers=CPU)
    return onnx.load(path)


def tidy(proto, output):
    """Gives a model the names, versions and form that we promise.

    The batch dimension is called `batch`, every initializer is a learned
    weight (other constants are `Constant` nodes, so that counting initializers
    counts parameters), only used operator sets are declared.

    Args:
        proto: An `onnx.ModelProto`; changed.
        output: The name of its output.
    """
    graph = proto.graph
    used = {node.domain for node in graph.node}
    kept = [entry for entry in proto.opset_import if entry.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "keras_css", __version__
    graph.name = "student"
    graph.output[0].name, old = output, graph.output[0].name
    for node in graph.node:
        node.output[:] = [output if n == old else n for n in node.output]
    for value in (graph.input[0], graph.output[0]):
        batch = value.type.tensor_type.shape.dim[0]
        if not batch.HasField("dim_value"):
            batch.dim_param = "batch"
    del graph.value_info[:]
    _move_constants(graph)


def _move_constants(graph):
    weights = weight_names(graph)
    constants = [i for i in graph.initializer if i.name not in weights]
    for i in constants:
        graph.initializer.remove(i)
    nodes = [
        onnx.helper.make_node("Constant", [], [i.name], name=i.name, value=i)
        for i in constants
    ]
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def weight_names(graph):
    """Returns the names of the initializers that are learned weights."""
    names = {
        name
        for node in graph.node
        if node.op_type in WEIGHTED
        for name in node.input
    }
    return {i.name for i in graph.initializer} & names


def describe(proto):
    """Returns what a model costs.

    Args:
        proto: An `onnx.ModelProto` in float32.

    Returns:
        Dict with `parameters`, the number of learned values, and `nodes`, how
        often each operator occurs (`Constant` apart).
    """
    counts = {}
    for node in proto.graph.node:
        if node.op_type != "Constant":
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
    weights = weight_names(proto.graph)
    sizes = [
        int(np.prod(numpy_helper.to_array(i).shape))
        for i in proto.graph.initializer
        if i.name in weights
    ]
    return {"parameters": sum(sizes), "nodes": dict(sorted(counts.items()))}


def set_metadata(proto, metadata):
    """Writes a dict into the file: texts as they are, the rest as JSON."""
    del proto.metadata_props[:]
    for name, value in metadata.items():
        text = value if isinstance(value, str) else json.dumps(value)
        proto.metadata_props.add(key=name, value=text)


def check(proto):
    """Runs ONNX's own checker with strict shape inference.

    Raises:
        ProofError: If the model does not pass.
    """
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise ProofError(
            f"The exported model must pass onnx.checker, but: {reason[0]}"
        ) from error
