"""Measure every student of a finished run again, from its saved networks.

Prints validation and test accuracy of each student, its expected calibration
error (ECE) on test, the best one's hardest classes, and the diversity and
agreement of the branches there.
Works on any backend, whichever trained the run. If accuracies are not those of
result.json it ends with exit code 1; rounding may change the answer to one
image in 10,000, on another backend than the run's to one and one in 1,000.
Example:

  python scripts/evaluate.py --run_dir runs/digits-css-tensorflow-1
"""

import json
import sys

from absl import flags

from keras_css_cli import extension_flags
from keras_css_cli.command import use_backend
from keras_css_cli.extension_flags import run_extensions
from keras_css_runtime.errors import UserError

SHARED_FLAGS = (extension_flags,)
FLAGS = flags.FLAGS

flags.DEFINE_string("run_dir", None, "Folder of a finished run.")
flags.DEFINE_string("data_dir", None, "Where the data are now, if they moved.")
flags.DEFINE_string("backend", None, "Keras backend: tensorflow, jax or torch.")
flags.DEFINE_bool("json", False, "Print JSON instead of a table.")


def run():
    """Evaluates as the flags say."""
    if not FLAGS.run_dir:
        raise UserError("--run_dir must name the folder of a finished run.")
    use_backend(FLAGS.backend)
    run_extensions()

    from keras_css.evaluation.lines import accuracy_lines
    from keras_css.evaluation.lines import answer_lines
    from keras_css.evaluation.lines import diversity_lines
    from keras_css.runs.evaluate import check_same_figures
    from keras_css.runs.evaluate import evaluate
    from keras_css.runs.evaluate import largest_change

    found = evaluate(FLAGS.run_dir, FLAGS.data_dir, say=_say)
    if FLAGS.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(accuracy_lines(found)))
        print("\n".join(answer_lines(found)))
        print("\n".join(diversity_lines(found)))
        change = largest_change(found, found["stored"])
        print(f"largest change against result.json: {change:.4f}")
    check_same_figures(found)


def _say(line):
    # Standard output is for the result, which may be JSON.
    print(line, file=sys.stderr, flush=True)
