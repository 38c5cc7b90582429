"""Ship a student: one ONNX file, proven equal to what was trained.

Cuts the student out of a finished run, converts it, compares the file in
onnxruntime with the Keras student on the validation images, measures the
file's accuracy on the test images, and only then writes student.onnx and
student.json. Examples:

  python export/to_onnx.py --run_dir runs/digits-css-jax-1
  python export/to_onnx.py --run_dir RUN --student all
  python export/to_onnx.py --run_dir RUN --student branch --precision int8
  python export/to_onnx.py --model digits.keras --out digits.onnx
"""

from absl import flags

from keras_css_cli import extension_flags
from keras_css_cli.command import say
from keras_css_cli.command import use_backend
from keras_css_cli.extension_flags import run_extensions
from keras_css_runtime.errors import ProofError
from keras_css_runtime.errors import UserError

SHARED_FLAGS = (extension_flags,)
FLAGS = flags.FLAGS

flags.DEFINE_string("run_dir", None, "Folder of a finished run.")
flags.DEFINE_string("model", None, "A .keras file instead of a run.")
flags.DEFINE_string(
    "out", None, "Where the file goes; default student.onnx in the run folder."
)
flags.DEFINE_string(
    "student",
    None,
    "Default best, the cheapest within noise of the highest validation "
    "accuracy; accuracy, branch or network (the most accurate, of its kind), "
    "ensemble, a name such as network_a/branch_0, or all. With --model only a "
    "name, needed where the file holds several students.",
)
flags.DEFINE_string(
    "precision", "fp32", "fp32, fp16, or int8 (calibrated on validation)."
)
flags.DEFINE_string(
    "input",
    "auto",
    "uint8 (pixels NHWC, preprocessing inside), float_nhwc or float_nchw "
    "(normalised images); auto: uint8 where the student has preprocessing.",
)
flags.DEFINE_string(
    "output",
    "logits",
    "logits or probabilities, whichever the model itself puts out.",
)
flags.DEFINE_integer("batch_size", None, "A fixed batch; default any.")
flags.DEFINE_float(
    "max_accuracy_drop",
    0.01,
    "The most that fp16 or int8 may lose on validation or test, a fraction of "
    "1; a file is refused if it loses more with 95 % confidence.",
)
flags.DEFINE_string(
    "dataset", None, "With --model: the data set to prove and measure it on."
)
flags.DEFINE_string("data_dir", None, "Where the data are, if not as trained.")
flags.DEFINE_string("backend", None, "Keras backend: tensorflow, jax or torch.")


def run():
    """Exports as the flags say."""
    if bool(FLAGS.run_dir) == bool(FLAGS.model):
        raise UserError(
            "Either --run_dir must name a finished run or --model a .keras "
            f"file, received {'both' if FLAGS.model else 'neither'}."
        )
    if FLAGS.run_dir and FLAGS.dataset:
        raise UserError(
            "--dataset goes with --model; a run knows its own, received "
            f"--dataset {FLAGS.dataset}: leave it out."
        )
    if FLAGS.model and not FLAGS.out:
        raise UserError("--model needs --out, the .onnx file to write.")
    use_backend(FLAGS.backend)
    run_extensions()

    from keras_css.deploy import export_model
    from keras_css.deploy import export_run
    from keras_css.deploy.benchmark_run import measure_students
    from keras_css.deploy.report import export_lines

    options = {
        "input_kind": FLAGS["input"].value,
        "output": FLAGS.output,
        "batch_size": FLAGS.batch_size,
        "precision": FLAGS.precision,
        "max_accuracy_drop": FLAGS.max_accuracy_drop,
        "data_dir": FLAGS.data_dir,
        "say": say,
    }
    refused = {}
    if FLAGS.model:
        report = export_model(
            *(FLAGS.model, FLAGS.out, FLAGS.student, FLAGS.dataset), **options
        )
        reports = {FLAGS.out: report}
    else:
        student = "best" if FLAGS.student is None else FLAGS.student
        reports, refused = export_run(
            FLAGS.run_dir, student, FLAGS.out, **options
        )
    if reports:
        points = measure_students(list(reports), seconds=1.0)
        print("\n".join(export_lines(reports, points)))
    if refused:
        raise ProofError(
            "; ".join(f"{path}: {why}" for path, why in refused.items())
        )
