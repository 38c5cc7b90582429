"""Look at a data set before training on it.

  summary   counts of each class and part, sizes, copies, bad pictures
  preview   a PNG of training images, as they are and as augmented
  prepare   unpack archives in --data_dir, or fetch by tensorflow-datasets

Examples:

  python scripts/data.py summary --dataset folder --data_dir PHOTOS
  python scripts/data.py preview --dataset digits --crop_padding 1
  python scripts/data.py prepare --dataset cub200 --data_dir data/cub200
"""

import pathlib

from absl import flags

from keras_css_cli.command import say
from keras_css_cli.command import use_backend
from keras_css_cli.setting_flags import define
from keras_css_cli.setting_flags import values
from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import unknown_name
from keras_css_settings import Augmentation
from keras_css_settings import DataRequest

ARGUMENTS = "summary|preview|prepare "
SHARED_FLAGS = (DataRequest, Augmentation)
FLAGS = flags.FLAGS
SETTINGS = define(*SHARED_FLAGS)

flags.DEFINE_string("backend", None, "Keras backend, for the preview.")
flags.DEFINE_string("out", "preview.png", "File of the preview.")


def run(arguments):
    """Does what the first argument says."""
    actions = {"summary": _summary, "preview": _preview, "prepare": _prepare}
    if len(arguments) != 1:
        raise UserError(
            f"data needs one of {', '.join(actions)}, received "
            f"{' '.join(arguments) or 'none'}."
        )
    if arguments[0] not in actions:
        raise unknown_name("action", arguments[0], actions)
    use_backend(FLAGS.backend)
    actions[arguments[0]]()


def _config():
    from keras_css.runs import RunConfig

    return RunConfig(**values(SETTINGS))


def _summary():
    from keras_css.data.summary import summary_lines

    print("\n".join(summary_lines(_config(), say=say)))


def _preview():
    import numpy as np

    from keras_css.data.load import load
    from keras_css.data.sheet import ROWS
    from keras_css.data.sheet import draw_sheet
    from keras_css.runs.cohort import build_augmentation
    from keras_css.runs.cohort import build_mixing
    from keras_css.runs.folder import write_atomically
    from keras_css.training.views import TrainingViews

    out = pathlib.Path(FLAGS.out)
    if out.suffix.lower() != ".png" or not out.parent.is_dir():
        raise UserError(
            f"--out must be a .png in a folder that exists, received '{out}'."
        )
    config = _config()
    dataset = load(config, say)
    config = config.complete(dataset)
    channels = dataset.image_shape[-1]
    if channels not in (1, 3):
        raise UserError(
            f"A preview needs images of 1 or 3 channels, received {channels}."
        )
    rows = np.random.default_rng(FLAGS.seed).permutation(len(dataset.train))
    images = dataset.train.images[np.sort(rows[:ROWS])]
    views = TrainingViews(
        ["network"],
        build_augmentation(config, dataset),
        each_has_own=False,
        mixing=build_mixing(config),
    )

    def change(images, draws):
        batch = {"images": images, "draws": draws}
        return views.take(batch, training=True)["network"]

    draws = views.num_draws
    write_atomically(
        out, lambda part: draw_sheet(part, images, change, draws, FLAGS.seed)
    )
    print(f"{dataset.describe()}\n{out}: a row an image, changes to the right")


def _prepare():
    from keras_css.data.catalogue import get_entry
    from keras_css.data.find import find
    from keras_css.untrusted.archives import find_archives
    from keras_css.untrusted.archives import unpack

    request = _config()
    if request.data_dir and pathlib.Path(request.data_dir).is_dir():
        for archive in find_archives(request.data_dir):
            unpack(archive, say)
    found = find(get_entry(request.dataset), request, say)
    counts = ", ".join(f"{len(s)} {part}" for part, s in found.parts.items())
    print(f"{found.where}: {counts} images, {len(found.class_names)} classes")
    place = f" --data_dir {request.data_dir}" if request.data_dir else ""
    command = f"python scripts/train.py --dataset {request.dataset}{place}"
    print(f"go on with: {command}")
    if found.faults:
        print(f"{len(found.faults)} pictures are missing: see summary")
