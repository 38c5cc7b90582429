"""How fast an exported file is, beside what one would have without us."""

import datetime
import hashlib
import pathlib
import platform
import tempfile
import time

import keras
import numpy as np
import onnxruntime as ort

from keras_css.backbones import Backbone
from keras_css.backbones import SplitModel
from keras_css.deploy.candidate import Candidate
from keras_css.deploy.candidate import ExportOptions
from keras_css.deploy.graph import append_softmax
from keras_css.deploy.timing import FileRunner
from keras_css.deploy.timing import paired_latencies
from keras_css.deploy.timing import summarise
from keras_css.networks import MultiBranchNetwork
from keras_css.students import cut_student
from keras_css_runtime.environment import cores
from keras_css_runtime.environment import processor
from keras_css_runtime.onnx_file import OnnxFile
from keras_css_runtime.settings import COUNT
from keras_css_runtime.settings import POSITIVE

CALIBRATION = 64


def benchmark(
    path,
    provider="cpu",
    batch_sizes=(1, 8, 32, 128),
    threads=None,
    seconds=3.0,
    compare=True,
    keras_student=None,
    say=print,
):
    """Measures the latency of an exported file.

    Args:
        path: The ONNX file.
        provider: `"cpu"`, `"cuda"` or `"tensorrt"`; refused where it does not
            run.
        batch_sizes: The batch sizes; a file with a fixed one is measured on
            that.
        threads: Threads of one operator; default the number of cores.
        seconds: About how long to measure each batch size.
        compare: Whether to measure, in the same rounds, the plain backbone
            exported the same way (fresh weights).
        keras_student: Function from the file's metadata to the Keras student,
            whose `predict` is then measured, too, or to None.
        say: Function that takes a line for the user.

    Returns:
        Dict with `machine`, `load_ms`, and per batch size the first run and
        the latencies of the file and of what it is compared with.

    Raises:
        UserError: If the file or the provider does not fit.
    """
    POSITIVE.check("seconds", seconds)
    for size in batch_sizes:
        COUNT.check("Each of batch_sizes", size)
    threads = cores() if threads is None else threads
    began = time.perf_counter()
    file = OnnxFile(path, provider, threads)
    load_ms = (time.perf_counter() - began) * 1000
    metadata = file.metadata()
    if file.batch_size and list(batch_sizes) != [file.batch_size]:
        say(f"the file takes batches of {file.batch_size} only")
        batch_sizes = [file.batch_size]
    files, student = {"file": file}, None
    with tempfile.TemporaryDirectory() as scratch:
        if compare:
            student = keras_student(metadata) if keras_student else None
            plain = _plain_backbone(metadata)
            if plain is None:
                say("the file names no single backbone to compare with")
            else:
                say("exporting the plain backbone the same way, to compare")
                target = pathlib.Path(scratch) / "plain.onnx"
                _export_plain(plain, metadata, file, target)
                files["plain_backbone"] = OnnxFile(target, provider, threads)
        found = []
        for size in batch_sizes:
            say(f"batch size {size}")
            found.append(_one_size(files, size, seconds, metadata, student))
    return {
        "file": str(path),
        "sha256": hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(),
        "student": metadata.get("student"),
        "precision": metadata.get("precision"),
        "machine": describe_benchmark(provider, threads),
        "load_ms": load_ms,
        "batches": found,
    }


def _one_size(files, size, seconds, metadata, student):
    batch = files["file"].random_batch(size)
    runners = {name: FileRunner(file, batch) for name, file in files.items()}
    began = time.perf_counter()
    runners["file"]()
    first = time.perf_counter() - began
    latencies = paired_latencies(runners, seconds)
    result = {
        "batch_size": size,
        "first_run_ms": first * 1000,
        **{n: summarise(values, size) for n, values in latencies.items()},
    }
    if "plain_backbone" in latencies:
        ratios = latencies["file"] / latencies["plain_backbone"]
        result["ratio_to_plain_backbone"] = float(np.median(ratios))
    if student is not None:
        # In rounds of its own: it takes far longer than the files.
        shape = (size, *metadata["image_shape"])
        images = np.random.default_rng(0).integers(0, 256, shape, "uint8")

        def predict():
            student.predict(images, batch_size=size, verbose=0)

        alone = paired_latencies({"keras": predict}, seconds / 3)
        result["keras_predict"] = summarise(alone["keras"], size)
    return result


def _plain_backbone(metadata):
    """Returns the student's backbone with fresh weights and a plain head.

    Of what a file says only classes are used that are registered backbones;
    a `SplitModel`, which would bring layers of its own, is none of them.
    """
    backbones = metadata.get("backbones")
    if not isinstance(backbones, dict) or len(backbones) != 1:
        return None
    (stored,) = backbones.values()
    try:
        kind = keras.saving.get_registered_object(stored["registered_name"])
        if not (isinstance(kind, type) and issubclass(kind, Backbone)):
            return None
        if issubclass(kind, SplitModel):
            return None
        backbone = kind.from_config(stored["config"])
    except (TypeError, ValueError, KeyError):
        return None
    rule = metadata.get("preprocessing")
    preprocessing = None
    if isinstance(rule, dict) and {"scale", "offset"} <= set(rule):
        preprocessing = keras.layers.Rescaling(
            rule["scale"], rule["offset"], dtype="float32"
        )
    network = MultiBranchNetwork(
        backbone,
        len(metadata["class_names"]),
        num_branches=1,
        transformation="none",
        joint_labels=False,
        preprocessing=preprocessing,
    )
    network.build((None, *metadata["image_shape"]))
    return cut_student({"plain": network}, {("plain", 0): 1.0})


def _export_plain(plain, metadata, file, target):
    options = ExportOptions(
        input_kind=metadata["input"],
        batch_size=file.batch_size,
        precision=metadata.get("precision", "fp32"),
    )
    candidate = Candidate(plain, options, target.parent)
    shape = (CALIBRATION, *metadata["image_shape"])
    images = np.random.default_rng(0).integers(0, 256, shape, "uint8")
    proto, _ = candidate.convert(images)
    if options.precision != "fp32":
        proto = candidate.reduce(proto, images)
    if metadata["output"] == "probabilities":
        append_softmax(proto)
    target.write_bytes(proto.SerializeToString())


def describe_benchmark(provider, threads):
    """Returns what figures depend on: hardware, versions, settings, date."""
    return {
        "provider": provider,
        "threads": threads,
        "idle_threads_spin": False,
        "cores": cores(),
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": ort.__version__,
        "keras": f"{keras.__version__} on {keras.backend.backend()}",
        "date": datetime.date.today().isoformat(),
    }
