"""Measure the latency of an exported file in onnxruntime.

Prints p50, p90 and p99 and images/s of each batch size, beside the plain
backbone exported the same way and, for a file in its run folder, Keras'
predict, all measured in turns. The provider is checked on the session: asking
for cuda on a machine without it fails. Writes <file>.benchmark.json and, in a
run folder, report.html anew, with all its exported students. Examples:

  python export/benchmark.py runs/digits-css-jax-1/student.onnx
  python export/benchmark.py student.onnx --batch_sizes 1,64 --nocompare
"""

import pathlib

from absl import flags

from keras_css_cli.command import use_backend
from keras_css_runtime.errors import UserError

ARGUMENTS = "student.onnx "
MOST = 65536
MOST_DIGITS = 9
MOST_SECONDS = 3600
FLAGS = flags.FLAGS

flags.DEFINE_string("provider", "cpu", "cpu, cuda or tensorrt.")
flags.DEFINE_list("batch_sizes", ["1", "8", "32", "128"], "With commas.")
flags.DEFINE_integer("threads", None, "Of one operator; default all cores.")
flags.DEFINE_float("seconds", 3.0, "About how long for each batch size.")
flags.DEFINE_bool(
    "compare", True, "Whether to measure the plain backbone and Keras, too."
)
flags.DEFINE_string("backend", None, "Keras backend: tensorflow, jax or torch.")


def run(arguments):
    """Measures as the arguments and flags say."""
    if len(arguments) != 1:
        raise UserError(
            f"benchmark needs one ONNX file, received {len(arguments)}."
        )
    from keras_css_runtime.onnx_file import check_threads

    check_threads("--threads", FLAGS.threads)
    if not 0 < FLAGS.seconds <= MOST_SECONDS:
        raise UserError(
            f"--seconds must be a number above 0 and up to {MOST_SECONDS}, "
            f"received {FLAGS.seconds}."
        )
    batch_sizes = _batch_sizes(FLAGS.batch_sizes)
    use_backend(FLAGS.backend)

    from keras_css.deploy.benchmark_run import benchmark_file

    path = pathlib.Path(arguments[0])
    lines = benchmark_file(
        path,
        provider=FLAGS.provider,
        batch_sizes=batch_sizes,
        threads=FLAGS.threads,
        seconds=FLAGS.seconds,
        compare=FLAGS.compare,
        say=lambda line: print(line, flush=True),
    )
    print("\n".join(lines))


def _batch_sizes(texts):
    sizes = [
        int(text)
        for text in texts
        if text.isdecimal() and len(text) <= MOST_DIGITS
    ]
    if len(sizes) != len(texts) or not all(1 <= n <= MOST for n in sizes):
        raise UserError(
            f"--batch_sizes must be whole numbers from 1 to {MOST} with commas "
            f"between them, received '{','.join(texts)}'."
        )
    return sizes
