"""The benchmark of a file where it lies: in its run folder, or alone."""

import pathlib

from keras_css.deploy.benchmark import benchmark
from keras_css.deploy.cut import cut_student
from keras_css.errors import UserError
from keras_css.evaluation.figures import draw_accuracy_latency
from keras_css.runs.config import RunConfig
from keras_css.runs.evaluate import load_cohort
from keras_css.runs.folder import RunFolder
from keras_css.runs.folder import write_atomically
from keras_css.runs.folder import write_json
from keras_css_runtime.classifier import read_metadata
from keras_css_runtime.session import open_session
from keras_css_runtime.timing import SessionRunner
from keras_css_runtime.timing import paired_latencies
from keras_css_runtime.timing import random_batch
from keras_css_runtime.timing import summarise


def benchmark_file(path, compare=True, say=print, **options):
    """Measures a file, writes `<name>.benchmark.json`, and a figure in a run.

    Args:
        path: The ONNX file.
        compare: Whether to measure the plain backbone and Keras, too.
        say: Function that takes a line for the user.
        **options: Further arguments of `benchmark`.

    Returns:
        The lines to show.
    """
    path = pathlib.Path(path)
    session = open_session(path)
    metadata = read_metadata(session, path)
    folder = RunFolder(path.parent)
    in_run = folder.config.exists() and folder.result.exists()
    student = None
    if compare and in_run:
        student = _keras_student(folder, metadata, say)
    found = benchmark(
        path, compare=compare, student=student, say=say, **options
    )
    target = path.with_suffix(".benchmark.json")
    write_json(target, found)
    lines = [*benchmark_lines(found), f"figures: {target}"]
    if in_run:
        points = measure_students(sorted(folder.path.glob("student*.onnx")))
        folder.figures.mkdir(exist_ok=True)
        picture = folder.figures / "accuracy_latency.png"
        write_atomically(
            picture, lambda part: draw_accuracy_latency(points, part)
        )
        lines.append(f"accuracy against latency: {picture}")
    return lines


def measure_students(paths, seconds=2.0, threads=None):
    """Measures several files in turns, one image at a time on the CPU.

    Args:
        paths: ONNX files.
        seconds: About how long, all together.
        threads: Threads of one operator; None for onnxruntime's choice.

    Returns:
        List of dicts: `student`, `precision`, test `accuracy` (None where the
        file says none), `p50_ms`, in the order of `paths`.
    """
    sessions = {path: open_session(path, threads=threads) for path in paths}
    latencies = paired_latencies(
        {
            path: SessionRunner(
                session, random_batch(session, _smallest(session))
            )
            for path, session in sessions.items()
        },
        seconds,
    )
    points = []
    for path, session in sessions.items():
        metadata = read_metadata(session, path)
        timed = summarise(latencies[path], 1)
        points.append(
            {
                "student": metadata.get("student"),
                "precision": metadata.get("precision"),
                "accuracy": metadata.get("accuracy", {}).get("test"),
                "p50_ms": timed["p50_ms"] / _smallest(session),
            }
        )
    return points


def benchmark_lines(found):
    """Returns a benchmark as lines for a terminal."""
    machine = found["machine"]
    lines = [
        f"{found['student']}, {found['precision']}, on {machine['provider']}, "
        f"{machine['threads']} threads, {machine['processor']}, onnxruntime "
        f"{machine['onnxruntime']}",
        f"loaded in {found['load_seconds'] * 1000:.0f} ms",
        f"{'batch':>5}  {'what':<15}{'p50 ms':>9}{'p90 ms':>9}{'p99 ms':>9}"
        f"{'images/s':>10}",
    ]
    for batch in found["batches"]:
        for name in ("file", "plain_backbone", "keras_predict"):
            if name not in batch:
                continue
            row = batch[name]
            note = ""
            if name == "file":
                note = f"  (first run {batch['first_run_ms']:.1f} ms)"
            elif name == "plain_backbone":
                ratio = batch["ratio_to_plain_backbone"]
                note = f"  (file takes {ratio:.3f} of this)"
            lines.append(
                f"{batch['batch_size']:>5}  {name:<15}{row['p50_ms']:>9.3f}"
                f"{row['p90_ms']:>9.3f}{row['p99_ms']:>9.3f}"
                f"{row['images_per_second']:>10.0f}{note}"
            )
    return lines


def _smallest(session):
    fixed = session.get_inputs()[0].shape[0]
    return fixed if isinstance(fixed, int) else 1


def _keras_student(folder, metadata, say):
    """Returns the Keras student that a file of a run was made of, or None."""
    stored = folder.read_json(folder.config)
    try:
        config = RunConfig.from_json(stored["config"])
        distiller = load_cohort(folder, config)
        parts = distiller.method.student_parts(metadata.get("student"))
    except (UserError, KeyError) as error:
        say(f"no comparison with Keras: {error}")
        return None
    return cut_student(distiller.named_networks, parts)
