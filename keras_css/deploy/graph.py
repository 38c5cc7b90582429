"""From tf2onnx's graph to the file a user takes home."""

import json

import numpy as np
import onnx
import onnxruntime as ort

from keras_css.errors import ProofError
from keras_css.errors import first_line
from keras_css.version import __version__

OPSET = 18
# The version of the ONNX file format that came with opset 18.
IR_VERSION = 8
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CPU = ["CPUExecutionProvider"]
# The least probability that has a logarithm of its own.
LEAST = 1e-30


def simplify(proto, path):
    """Returns an equal model with constants folded and fewer nodes.

    onnxruntime's basic optimisations: they keep to standard ONNX operators
    and hold on any machine.

    Args:
        proto: An `onnx.ModelProto`.
        path: A scratch file.

    Raises:
        ProofError: If onnxruntime does not take the model.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = (
        ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    )
    options.optimized_model_filepath = str(path)
    try:
        ort.InferenceSession(proto.SerializeToString(), options, providers=CPU)
    except Exception as error:
        # onnxruntime has no common error class.
        raise ProofError(
            "The converted model must run in onnxruntime, but: "
            f"{first_line(error)}"
        ) from error
    return onnx.load(path)


def tidy(proto):
    """Gives a model our name and versions, and only operator sets it uses.

    Input and output share a batch dimension called `batch`.
    """
    graph = proto.graph
    used = {node.domain for node in graph.node}
    kept = [entry for entry in proto.opset_import if entry.domain in used]
    del proto.opset_import[:]
    proto.opset_import.extend(kept)
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "keras_css", __version__
    graph.name = "student"
    for value in (graph.input[0], graph.output[0]):
        batch = value.type.tensor_type.shape.dim[0]
        if not batch.HasField("dim_value"):
            batch.dim_param = "batch"
    del graph.value_info[:]


def name_output(proto, name):
    """Renames the one output of a model."""
    old = proto.graph.output[0].name
    proto.graph.output[0].name = name
    for node in proto.graph.node:
        node.input[:] = [name if n == old else n for n in node.input]
        node.output[:] = [name if n == old else n for n in node.output]


def append_logarithm(proto):
    """Makes logits of a model's probabilities: output `logits`.

    Their softmax is the probabilities again; what is smaller than `LEAST`
    counts as that.
    """
    name_output(proto, "probabilities")
    least = onnx.numpy_helper.from_array(np.float32(LEAST), "least")
    graph = proto.graph
    graph.node.extend(
        onnx.helper.make_node(kind, inputs, [output], name=kind, **options)
        for kind, inputs, output, options in (
            ("Constant", [], "least", {"value": least}),
            ("Max", ["probabilities", "least"], "not_zero", {}),
            ("Log", ["not_zero"], "logits", {}),
        )
    )
    graph.output[0].name = "logits"


def append_softmax(proto):
    """Makes probabilities of a model's logits: output `probabilities`."""
    graph = proto.graph
    logits = graph.output[0].name
    graph.node.append(
        onnx.helper.make_node(
            "Softmax", [logits], ["probabilities"], name="softmax", axis=-1
        )
    )
    graph.output[0].name = "probabilities"


def keep_only_weights(proto):
    """Turns initializers that are no weights into `Constant` nodes.

    Counting the initializers of a float32 file then counts the weights of its
    convolutions and matrix products, not masks, axes and normalisation.
    """
    graph = proto.graph
    weights = {
        name
        for node in graph.node
        if node.op_type in WEIGHTED
        for name in node.input
    }
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


def count_nodes(proto):
    """Returns how often each operator occurs, `Constant` apart."""
    kinds = [node.op_type for node in proto.graph.node]
    return {
        kind: kinds.count(kind)
        for kind in sorted(set(kinds))
        if kind != "Constant"
    }


def set_metadata(proto, metadata):
    """Writes a dict into the file: lists and dicts as JSON, else as text."""
    del proto.metadata_props[:]
    for name, value in metadata.items():
        compound = isinstance(value, (dict, list))
        text = json.dumps(value) if compound else str(value)
        proto.metadata_props.add(key=name, value=text)


def check(proto):
    """Runs ONNX's own checker with strict shape inference.

    Raises:
        ProofError: If the model does not pass.
    """
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:
        raise ProofError(
            "The exported model must pass onnx.checker, but: "
            f"{first_line(error)}"
        ) from error
