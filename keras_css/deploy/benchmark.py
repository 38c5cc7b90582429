"""How fast an exported file is, beside what one would have without us."""

import datetime
import os
import pathlib
import platform
import tempfile
import time

import keras
import numpy as np
import onnxruntime as ort

from keras_css.deploy.candidate import Candidate
from keras_css.deploy.candidate import ExportOptions
from keras_css.deploy.cut import cut_student
from keras_css.errors import UserError
from keras_css.networks import MultiBranchNetwork
from keras_css_runtime.classifier import read_metadata
from keras_css_runtime.session import open_session
from keras_css_runtime.timing import SessionRunner
from keras_css_runtime.timing import paired_latencies
from keras_css_runtime.timing import random_batch
from keras_css_runtime.timing import summarise

CALIBRATION = 64


def benchmark(
    path,
    provider="cpu",
    batch_sizes=(1, 8, 32, 128),
    threads=None,
    seconds=3.0,
    compare=True,
    student=None,
    say=print,
):
    """Measures the latency of an exported file.

    Args:
        path: The ONNX file.
        provider: `"cpu"`, `"cuda"` or `"tensorrt"`; refused where it does not
            run.
        batch_sizes: The batch sizes.
        threads: Threads of one operator; default the number of cores.
        seconds: About how long to measure each batch size.
        compare: Whether to measure, in the same rounds, the plain backbone
            exported the same way (fresh weights).
        student: The Keras student, whose `predict` is then measured, too.
        say: Function that takes a line for the user.

    Returns:
        Dict with `machine`, `load_seconds`, and per batch size the first run
        and the latencies of the file and of what it is compared with.

    Raises:
        UserError: If the file or the provider does not fit.
    """
    threads = threads or os.cpu_count()
    began = time.perf_counter()
    session = open_session(path, provider, threads)
    load_seconds = time.perf_counter() - began
    metadata = read_metadata(session, path)
    sessions = {"file": session}
    with tempfile.TemporaryDirectory() as scratch:
        if compare:
            say("exporting the plain backbone the same way, to compare")
            plain = _plain_backbone(metadata)
            if plain is None:
                say("the file names no single backbone: nothing to compare")
            else:
                target = pathlib.Path(scratch) / "plain.onnx"
                _export_plain(plain, metadata, session, target)
                sessions["plain_backbone"] = open_session(
                    target, provider, threads
                )
        found = []
        fixed = session.get_inputs()[0].shape[0]
        sizes = [fixed] if isinstance(fixed, int) else batch_sizes
        for size in sizes:
            say(f"batch size {size}")
            found.append(
                _one_size(sessions, provider, size, seconds, metadata, student)
            )
    return {
        "file": str(path),
        "student": metadata.get("student"),
        "precision": metadata.get("precision"),
        "machine": _describe_machine(provider, threads),
        "load_seconds": load_seconds,
        "batches": found,
    }


def _one_size(sessions, provider, size, seconds, metadata, student):
    batch = random_batch(sessions["file"], size)
    runners = {
        name: SessionRunner(session, batch, provider)
        for name, session in sessions.items()
    }
    began = time.perf_counter()
    runners["file"]()
    first = time.perf_counter() - began
    if student is not None:
        shape = (size, *metadata["image_shape"])
        images = np.random.default_rng(0).integers(0, 256, shape, "uint8")
        runners["keras_predict"] = lambda: student.predict(
            images, batch_size=size, verbose=0
        )
    latencies = paired_latencies(runners, seconds)
    result = {
        "batch_size": size,
        "first_run_ms": first * 1000,
        **{n: summarise(values, size) for n, values in latencies.items()},
    }
    if "plain_backbone" in latencies:
        ratios = latencies["file"] / latencies["plain_backbone"]
        result["ratio_to_plain_backbone"] = float(np.median(ratios))
    return result


def _plain_backbone(metadata):
    """Returns the student's backbone with fresh weights and a plain head."""
    backbones = metadata.get("backbones")
    if not isinstance(backbones, dict) or len(backbones) != 1:
        return None
    (config,) = backbones.values()
    try:
        backbone = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    rule = metadata.get("preprocessing") or {}
    preprocessing = None
    if "scale" in rule and "offset" in rule:
        preprocessing = keras.layers.Rescaling(
            rule["scale"], rule["offset"], dtype="float32"
        )
    network = MultiBranchNetwork(
        backbone,
        max(2, len(metadata["class_names"])),
        num_branches=1,
        transformation="none",
        joint_labels=False,
        preprocessing=preprocessing,
    )
    network.build((None, *metadata["image_shape"]))
    return cut_student({"plain": network}, {("plain", 0): 1.0})


def _export_plain(plain, metadata, session, target):
    fixed = session.get_inputs()[0].shape[0]
    options = ExportOptions(
        input_kind=metadata["input"],
        output=metadata["output"],
        batch_size=fixed if isinstance(fixed, int) else None,
        precision=metadata.get("precision", "fp32"),
    )
    candidate = Candidate(plain, options, target.parent)
    proto = candidate.convert()
    if options.precision != "fp32":
        shape = (CALIBRATION, *metadata["image_shape"])
        images = np.random.default_rng(0).integers(0, 256, shape, "uint8")
        proto = candidate.reduce(proto, images)
    target.write_bytes(proto.SerializeToString())


def _describe_machine(provider, threads):
    return {
        "provider": provider,
        "threads": threads,
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": ort.__version__,
        "date": datetime.date.today().isoformat(),
    }


def _processor():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or "unknown"
    names = [
        line for line in text.splitlines() if line.startswith("model name")
    ]
    return names[0].partition(":")[2].strip() if names else "unknown"


def check_batch_sizes(texts):
    """Returns batch sizes from texts.

    Raises:
        UserError: If one is no positive whole number.
    """
    if not texts or not all(text.isdecimal() and int(text) for text in texts):
        raise UserError(
            "--batch_sizes must be positive whole numbers with commas between "
            f"them, received '{','.join(texts)}'."
        )
    return [int(text) for text in texts]
