"""Train a cohort of networks together and leave a run folder.

Takes a validation part out of the training images, trains, chooses the best
student on validation, measures test after training only, and writes all of it
into the run folder: config.json, history.csv, result.json, report.html,
figures, TensorBoard logs, the trained networks.

Settings that are not given come from the data set and the method. Examples:

  python scripts/train.py --dataset digits --backend jax
  python scripts/train.py --dataset digits --method independent
  python scripts/train.py --dataset folder --data_dir PHOTOS --epochs 60
  python scripts/train.py --dataset cifar100 --data_dir cifar-100-python
  python scripts/train.py --dataset digits --method_option variant=detached
  python scripts/train.py --run_dir runs/digits-css-tensorflow-1 --resume
"""

import json
import pathlib

from absl import flags

from keras_css_cli import augmentation_flags
from keras_css_cli import data_flags
from keras_css_cli.augmentation_flags import augmentation_settings
from keras_css_cli.command import say
from keras_css_cli.command import use_backend
from keras_css_cli.data_flags import data_settings
from keras_css_runtime.errors import UserError

SHARED_FLAGS = (data_flags, augmentation_flags)
FLAGS = flags.FLAGS

flags.DEFINE_string(
    "backend",
    None,
    "Keras backend: tensorflow, jax or torch. Default: KERAS_BACKEND, else "
    "Keras' own choice.",
)
flags.DEFINE_string("method", "css", "How networks teach: css, independent.")
flags.DEFINE_multi_string(
    "method_option",
    [],
    "An argument of the method, such as variant=detached or temperature=4; "
    "may be given several times.",
)
flags.DEFINE_string("network_a", None, "Backbone of the first network.")
flags.DEFINE_string(
    "network_b", None, "Backbone of the second; 'none' for a single network."
)
flags.DEFINE_integer("branches", None, "Branches of each network.")
flags.DEFINE_string(
    "transformation",
    None,
    "What tells branches apart: corner_erase, channel_group_drop, "
    "feature_rotation, none.",
)
flags.DEFINE_bool(
    "joint_labels", None, "Whether heads predict class x transformation."
)
flags.DEFINE_integer("epochs", None, "Epochs of the whole run.")
flags.DEFINE_integer("batch_size", None, "Images a step.")
flags.DEFINE_float("learning_rate", None, "Full learning rate of SGD.")
flags.DEFINE_float("momentum", 0.9, "Momentum of SGD.")
flags.DEFINE_float("weight_decay", 5e-4, "Coupled weight decay of SGD.")
flags.DEFINE_integer(
    "warmup_epochs", None, "Epochs of warm-up; default a tenth, at most 5."
)
flags.DEFINE_list(
    "lr_milestones",
    None,
    "1-based epochs from which the rate is 10 times lower; default at half "
    "and at three quarters of the epochs.",
)
flags.DEFINE_string(
    "precision",
    "float32",
    "Of the networks while they train: float32, mixed_bfloat16, "
    "mixed_float16. What is saved and measured in the end is float32.",
)
flags.DEFINE_integer("seed", 0, "Of weights, order, augmentation and split.")
flags.DEFINE_string(
    "run_dir", None, "New folder for the run; default runs/<what>-<number>."
)
flags.DEFINE_integer(
    "steps_per_call",
    None,
    "Steps in one call of the compiled step; changes no result. Default: up "
    "to 32 on a GPU that holds the images, else 1.",
)
flags.DEFINE_bool("resume", False, "Go on from the last checkpoint of run_dir.")

AFTER_INTERRUPT = (
    "the last complete epoch is kept; go on with --resume --run_dir and the "
    "run's folder"
)


def run():
    """Trains as the flags say."""
    stored = _stored_run() if FLAGS.resume else None
    if stored and (pathlib.Path(FLAGS.run_dir) / "result.json").exists():
        print(f"{FLAGS.run_dir} is complete: nothing to do")
        return
    use_backend(stored["backend"] if stored else FLAGS.backend)

    from keras_css.evaluation.report import summary_text
    from keras_css.runs import RunConfig
    from keras_css.runs import train

    if stored:
        config = RunConfig.from_json(stored["config"])
    else:
        config = RunConfig(**_settings())
    run_dir = FLAGS.run_dir or _new_run_dir(config)
    result = train(
        config,
        run_dir,
        resume=bool(stored),
        say=say,
        steps_per_call=FLAGS.steps_per_call,
    )
    print(summary_text(result, run_dir))


def _settings():
    """Returns the flags as settings of `RunConfig`."""
    from keras_css.runs.config import parse_method_options

    names = [
        *("method", "network_a", "network_b", "branches", "transformation"),
        *("joint_labels", "epochs", "batch_size", "learning_rate", "momentum"),
        *("weight_decay", "warmup_epochs", "precision", "seed"),
    ]
    settings = {
        **data_settings(),
        **augmentation_settings(),
        **{name: FLAGS[name].value for name in names},
    }
    settings["method_options"] = parse_method_options(
        FLAGS.method, FLAGS.method_option
    )
    if FLAGS.lr_milestones is not None:
        settings["lr_milestones"] = _milestones(FLAGS.lr_milestones)
    return settings


def _milestones(texts):
    try:
        return tuple(sorted(int(text) for text in texts))
    except ValueError:
        raise UserError(
            "--lr_milestones must be whole numbers with commas between them, "
            f"received '{','.join(texts)}'."
        ) from None


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
        stored = json.loads((folder / "config.json").read_text("utf-8"))
        then = {**stored["config"], "backend": stored["backend"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"--run_dir must be the folder of a run, but '{folder}' has no "
            "config.json that can be read."
        ) from None
    _refuse_changes(then)
    return stored


def _refuse_changes(then):
    """A resumed run keeps its settings: a flag that says otherwise is wrong."""
    if FLAGS.method_option:
        raise UserError(
            "--method_option must be that of the run to resume: leave it out."
        )
    for name in then:
        if name not in FLAGS or not FLAGS[name].present:
            continue
        value = FLAGS[name].value
        if name == "lr_milestones":
            value = list(_milestones(value))
        if name == "image_size":
            value = list(data_flags.image_size(value))
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
