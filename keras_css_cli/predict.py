"""Classify pictures with an exported student; needs no Keras.

Takes the file and pictures of any size and kind, or folders of them. Prints
each picture's likeliest class and its probability. Examples:

  python scripts/predict.py student.onnx cat.jpg dog.png
  python scripts/predict.py student.onnx PICTURES --json
"""

import json

from absl import flags

from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import one_line

ARGUMENTS = "student.onnx PICTURES... "
FLAGS = flags.FLAGS

flags.DEFINE_bool("json", False, "Print JSON: every class's probability.")
flags.DEFINE_integer("top", 1, "How many of the likeliest classes to print.")
flags.DEFINE_integer("batch_size", 32, "Most pictures at a time.")
flags.DEFINE_string("provider", "cpu", "cpu, cuda or tensorrt.")


def run(arguments):
    """Predicts as the arguments and flags say."""
    if len(arguments) < 2:
        raise UserError(
            "predict needs an ONNX file and at least one picture or folder, "
            f"received {len(arguments)} of these."
        )
    for name in ("top", "batch_size"):
        if FLAGS[name].value < 1:
            raise UserError(
                f"--{name} must be at least 1, received {FLAGS[name].value}."
            )
    # onnxruntime and Pillow take half a second; help need not wait for them.
    from keras_css_runtime.classifier import OnnxClassifier
    from keras_css_runtime.pictures import find_pictures

    file, *places = arguments
    classifier = OnnxClassifier(file, FLAGS.provider, FLAGS.batch_size)
    pictures = [path for place in places for path in find_pictures(place)]
    _, probabilities = classifier(pictures)
    found = [
        {
            "picture": str(path),
            "class": classifier.class_names[row.argmax()],
            "probability": float(row.max()),
            "probabilities": dict(zip(classifier.class_names, row.tolist())),
        }
        for path, row in zip(pictures, probabilities)
    ]
    if FLAGS.json:
        print(json.dumps(found, indent=2))
        return
    width = max(len(entry["picture"]) for entry in found)
    for entry in found:
        ranked = sorted(entry["probabilities"].items(), key=lambda i: -i[1])
        shown = [f"{name} {p:.3f}" for name, p in ranked[: FLAGS.top]]
        line = f"{entry['picture']:<{width}}  {'  '.join(shown)}"
        print(one_line(line))
