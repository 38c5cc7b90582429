"""The benchmark of a file where it lies: in its run folder, or alone."""

import pathlib

from keras_css.deploy.benchmark import benchmark
from keras_css.deploy.timing import FileRunner
from keras_css.deploy.timing import paired_latencies
from keras_css.errors import UserError
from keras_css.runs.cohort import load_cohort
from keras_css.runs.folder import RunFolder
from keras_css.runs.folder import write_json
from keras_css.runs.report import write_report
from keras_css_runtime.environment import cores
from keras_css_runtime.onnx_file import OnnxFile


def benchmark_file(path, say=print, **options):
    """Measures a file, writes `<name>.benchmark.json`, and a run's page anew.

    Args:
        path: The ONNX file.
        say: Function that takes a line for the user.
        **options: Further arguments of `benchmark`.

    Returns:
        The lines to show.
    """
    path = pathlib.Path(path)
    folder = RunFolder(path.parent)
    in_run = folder.config.exists() and folder.result.exists()

    def keras_student(metadata):
        return _keras_student(folder, metadata, say) if in_run else None

    found = benchmark(path, keras_student=keras_student, say=say, **options)
    if in_run:
        found["students_of_the_run"] = measure_students(
            _exports(folder, say), threads=options.get("threads")
        )
    target = path.with_suffix(".benchmark.json")
    write_json(target, found)
    lines = [*benchmark_lines(found), f"figures: {target}"]
    if in_run:
        write_report(folder, say)
        lines.append(f"accuracy against latency: {folder.report}")
    return lines


def measure_students(paths, seconds=2.0, threads=None):
    """Measures several files in turns, one image at a time on the CPU.

    Args:
        paths: ONNX files.
        seconds: About how long, all together.
        threads: Threads of one operator; default the number of cores.

    Returns:
        List of dicts: `file`, `student`, `precision`, test `accuracy` (None
        where the file says none), `ms_per_image` (median), in the order of
        `paths`.
    """
    files = {path: OnnxFile(path, threads=threads or cores()) for path in paths}
    sizes = {path: file.batch_size or 1 for path, file in files.items()}
    latencies = paired_latencies(
        {
            path: FileRunner(file, file.random_batch(sizes[path]))
            for path, file in files.items()
        },
        seconds,
    )
    points = []
    for path, file in files.items():
        metadata = file.metadata()
        accuracy = metadata.get("accuracy")
        median = sorted(latencies[path])[len(latencies[path]) // 2]
        points.append(
            {
                "file": str(path),
                "student": metadata.get("student"),
                "precision": metadata.get("precision"),
                "accuracy": accuracy.get("test")
                if isinstance(accuracy, dict)
                else None,
                "ms_per_image": float(median) * 1000 / sizes[path],
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
        f"loaded in {found['load_ms']:.0f} ms",
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


def _exports(folder, say):
    """Returns the students of a run that were exported and can be read."""
    readable = []
    for path in sorted(folder.path.glob("*.onnx")):
        try:
            OnnxFile(path).metadata()
        except UserError as error:
            say(f"left out of the report: {error}")
            continue
        readable.append(path)
    return readable


def _keras_student(folder, metadata, say):
    """Returns the Keras student that a file of a run was made of, or None."""
    try:
        distiller = load_cohort(folder)
        return distiller.student(metadata.get("student"))
    except (UserError, KeyError) as error:
        say(f"no comparison with Keras: {error}")
        return None
