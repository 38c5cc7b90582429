"""Train a cohort of networks together and leave a run folder.

Takes a validation part out of the training images, trains, chooses the best
student on validation, measures test after training only, and writes all of it
into the run folder: config.json, history.csv, result.json, report.html,
TensorBoard logs, the trained networks.

Settings that are not given come from the data set and the method. Examples:

  python scripts/train.py --dataset digits --backend jax
  python scripts/train.py --dataset digits --method independent
  python scripts/train.py --dataset folder --data_dir PHOTOS --epochs 60
  python scripts/train.py --dataset cifar100 --data_dir cifar-100-python
  python scripts/train.py --recipe cifar100_css --shrink
  python scripts/train.py --dataset digits --method_option variant=released
  python scripts/train.py --run_dir runs/digits-css-tensorflow-1 --resume
"""

import dataclasses
import pathlib

from absl import flags

from keras_css_cli import extension_flags
from keras_css_cli import recipe_flags
from keras_css_cli.command import say
from keras_css_cli.command import use_backend
from keras_css_cli.extension_flags import run_extensions
from keras_css_cli.setting_flags import define
from keras_css_cli.setting_flags import values
from keras_css_runtime.errors import UserError
from keras_css_runtime.shapes import RUN
from keras_css_runtime.shapes import fits
from keras_css_runtime.shapes import read_object
from keras_css_settings import GROUPS
from keras_css_settings import Running

SHARED_FLAGS = (recipe_flags, *GROUPS, Running, extension_flags)
FLAGS = flags.FLAGS
SETTINGS = define(*GROUPS, but=["method_options"])
RUNNING = define(Running)

flags.DEFINE_multi_string(
    "method_option",
    [],
    "An argument of the method, such as variant=released or temperature=4; "
    "may be given several times.",
)
flags.DEFINE_string(
    "run_dir", None, "New folder for the run; default runs/<what>-<number>."
)
flags.DEFINE_bool(
    "estimate",
    False,
    "Train a few steps, say how long the run would take, and write nothing.",
)
flags.DEFINE_bool("resume", False, "Go on from the last checkpoint of run_dir.")

AFTER_INTERRUPT = (
    "the last checkpoint is kept; go on with --resume --run_dir and the "
    "run's folder"
)


def run():
    """Trains as the flags say."""
    stored = _stored_run() if FLAGS.resume else None
    if stored and (pathlib.Path(FLAGS.run_dir) / "result.json").exists():
        print(f"{FLAGS.run_dir} is complete: nothing to do")
        return
    use_backend(stored["backend"] if stored else FLAGS.backend)
    run_extensions()

    from keras_css.evaluation.lines import summary_text
    from keras_css.runs import RunConfig
    from keras_css.runs import train
    from keras_css.runs.estimate import estimate

    if stored:
        config = RunConfig.from_json(stored["config"])
        if FLAGS["teacher"].present:
            config = dataclasses.replace(config, teacher=FLAGS.teacher)
    else:
        config = RunConfig(**_settings())
    if FLAGS.estimate:
        print(estimate(config, say, FLAGS.steps_per_call).describe())
        return
    run_dir = FLAGS.run_dir or _new_run_dir(config)
    result = train(
        config,
        run_dir,
        resume=bool(stored),
        say=say,
        **values(RUNNING),
    )
    print(summary_text(result, run_dir))


def _settings():
    """Returns the flags as settings of `RunConfig`."""
    from keras_css.runs.method_options import parse_method_options

    recipe = recipe_flags.recipe()
    method = recipe.get("method", FLAGS.method)
    options = recipe.get("method_options", {})
    if FLAGS["method"].present and FLAGS.method != method:
        method, options = FLAGS.method, {}
    own = parse_method_options(method, FLAGS.method_option)
    return {
        **recipe_flags.settings(SETTINGS),
        "method": method,
        "method_options": {**options, **own},
    }


def _stored_run():
    """Returns the contents of the `config.json` of the run to resume.

    A folder that is new or empty has none: the run then begins there.
    """
    if not FLAGS.run_dir:
        raise UserError("--resume needs --run_dir, the folder of the run.")
    folder = pathlib.Path(FLAGS.run_dir)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        say(f"no run in {folder}: starting from the beginning")
        return None
    try:
        stored = read_object(folder / "config.json")
        if not fits(stored, RUN):
            raise ValueError("something is missing or of another kind")
    except (OSError, ValueError):
        raise UserError(
            f"--run_dir must be the folder of a run, but '{folder}' has no "
            "config.json that can be read."
        ) from None
    _refuse_changes({**stored["config"], "backend": stored["backend"]})
    return stored


def _refuse_changes(then):
    """A resumed run keeps its settings: a flag that says otherwise is wrong."""
    if FLAGS.method_option:
        raise UserError(
            "--method_option must be that of the run to resume: leave it out."
        )
    for name in then:
        # A teacher may have been moved; its checksum tells.
        if name == "teacher":
            continue
        if name not in FLAGS or not FLAGS[name].present:
            continue
        value = FLAGS[name].value
        value = list(value) if isinstance(value, tuple) else value
        if value != then[name]:
            raise UserError(
                f"--{name} must be that of the run to resume, {then[name]}, "
                f"received {value}: leave the flag out, or start a new run."
            )


def _new_run_dir(config):
    import keras

    from keras_css.runs.folder import new_run_dir

    backend = keras.backend.backend()
    return new_run_dir(
        "runs",
        f"{config.dataset.replace(':', '-').replace('/', '-')}"
        f"-{config.method}-{backend}",
    )
