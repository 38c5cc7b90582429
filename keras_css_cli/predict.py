"""Classify pictures with an exported student; needs no Keras.

Takes the file and pictures of any size and kind, or folders of them. Prints
each picture's likeliest class and its probability. A picture that cannot be
read is named on standard error; the others are classified, and the exit code
is 1. Examples:

  python scripts/predict.py student.onnx cat.jpg dog.png
  python scripts/predict.py student.onnx PICTURES --json
  python scripts/predict.py student.onnx PICTURES --csv > found.csv
  python scripts/predict.py student.onnx PICTURES --unsure_below 0.8
"""

from absl import flags

from keras_css_runtime.errors import UserError

ARGUMENTS = "student.onnx PICTURES... "
FLAGS = flags.FLAGS

flags.DEFINE_bool("json", False, "Print JSON: every class's probability.")
flags.DEFINE_bool(
    "csv",
    False,
    "Print CSV: a row a picture, the likeliest class, its probability, what "
    "is wrong with the picture, and every class's probability.",
)
flags.DEFINE_integer("top", 1, "How many of the likeliest classes to print.")
flags.DEFINE_integer("batch_size", 32, "Most pictures at a time.")
flags.DEFINE_float(
    "unsure_below",
    0.0,
    "Say unsure where the likeliest class has less probability than this; the "
    "run's report tells what that spares.",
)
flags.DEFINE_string("provider", "cpu", "cpu, cuda or tensorrt.")


def run(arguments):
    """Predicts as the arguments and flags say."""
    if len(arguments) < 2:
        raise UserError(
            "predict needs an ONNX file and at least one picture or folder, "
            f"received {len(arguments)} of these."
        )
    if FLAGS.json and FLAGS.csv:
        raise UserError("Either --json or --csv must be given, received both.")
    # onnxruntime and Pillow take half a second; help need not wait for them.
    from keras_css_runtime.predict import predict

    file, *places = arguments
    form = "json" if FLAGS.json else "csv" if FLAGS.csv else "lines"
    predict(
        *(file, places, form, FLAGS.top, FLAGS.batch_size, FLAGS.provider),
        unsure_below=FLAGS.unsure_below,
    )
