"""Classify pictures with an exported student; needs no Keras.

Takes the file and pictures of any size and kind, or folders of them. Prints
each picture's likeliest class and its probability. A picture that cannot be
read is named on standard error; the others are classified, and the exit code
is 1. Examples:

  python scripts/predict.py student.onnx cat.jpg dog.png
  python scripts/predict.py student.onnx PICTURES --json
  python scripts/predict.py student.onnx PICTURES --csv > found.csv
"""

import csv
import json
import sys

from absl import flags

from keras_css_runtime.errors import UnreadPicturesError
from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import one_line

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
    if FLAGS.json and FLAGS.csv:
        raise UserError("Either --json or --csv must be given, received both.")
    # onnxruntime and Pillow take half a second; help need not wait for them.
    from keras_css_runtime.classifier import OnnxClassifier
    from keras_css_runtime.pictures import find_pictures

    file, *places = arguments
    classifier = OnnxClassifier(file, FLAGS.provider, FLAGS.batch_size)
    pictures = [path for place in places for path in find_pictures(place)]
    entries = _entries(classifier, pictures)
    names = classifier.class_names
    if FLAGS.json:
        found = list(entries)
        _check_any(found)
        print(json.dumps(found, indent=2))
    elif FLAGS.csv:
        found = _print_csv(entries, names)
    else:
        found = _print_lines(entries, max(len(str(p)) for p in pictures))
    _check_any(found)
    faults = [entry for entry in found if "error" in entry]
    if faults:
        raise UnreadPicturesError(
            f"{len(faults)} of {len(found)} pictures could not be read."
        )


def _entries(classifier, pictures):
    """Yields a dict for each picture; says on standard error what is wrong."""
    names = classifier.class_names
    # The one line of a single picture is that of the command.
    aloud = len(pictures) > 1
    for path, row, fault in classifier.each(pictures):
        if fault is None:
            yield {
                "picture": str(path),
                "class": names[row.argmax()],
                "probability": float(row.max()),
                "probabilities": dict(zip(names, row.tolist())),
            }
            continue
        if aloud:
            print(f"skipped: {one_line(fault)}", file=sys.stderr)
        nothing = dict.fromkeys(("class", "probability", "probabilities"))
        yield {"picture": str(path), **nothing, "error": fault}


def _check_any(found):
    """Raises `UserError` if no picture could be read."""
    faults = [entry["error"] for entry in found if "error" in entry]
    if len(faults) == len(found):
        more = f" And {len(faults) - 1} more such." if len(faults) > 1 else ""
        raise UserError(f"{faults[0]}{more}")


def _print_lines(entries, width):
    found = []
    for entry in entries:
        found.append(entry)
        if "error" in entry:
            continue
        ranked = sorted(entry["probabilities"].items(), key=lambda i: -i[1])
        shown = [f"{name} {p:.3f}" for name, p in ranked[: FLAGS.top]]
        line = f"{entry['picture']:<{width}}  {'  '.join(shown)}"
        print(one_line(line))
    return found


def _print_csv(entries, names):
    """Prints a row as soon as its picture is classified."""
    columns = ("picture", "class", "probability", "error")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow([*columns, *(one_line(f"p({name})") for name in names)])
    found = []
    for entry in entries:
        found.append(entry)
        told = [entry.get(column) for column in columns]
        shares = (entry["probabilities"] or {}).values()
        table.writerow([_cell(value) for value in (*told, *shares)])
    return found


def _cell(value):
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else one_line(value)
