"""What backbones and cohorts cost, and where a model can be cut.

Prints for every backbone, or those given as arguments: the parameters and
multiply-adds of the student that ships, and of the network that trains with
its branches, with the memory that its layers' outputs take for each image of a
batch. For models of keras.applications and files of one's own, --splits lists
the layers at which trunk and tails can part. Examples:

  python scripts/models.py
  python scripts/models.py resnet18 applications:MobileNetV2 --image_size 224
  python scripts/models.py applications:MobileNetV2 --splits --image_size 96
"""

import json

from absl import flags

from keras_css_cli import extension_flags
from keras_css_cli.command import say
from keras_css_cli.command import use_backend
from keras_css_cli.extension_flags import run_extensions
from keras_css_runtime.errors import UserError

ARGUMENTS = "[BACKBONE ...] "
SHARED_FLAGS = (extension_flags,)
FLAGS = flags.FLAGS

flags.DEFINE_integer("image_size", 32, "Height and width of the images.")
flags.DEFINE_integer("channels", 3, "Channels of the images.")
flags.DEFINE_integer("classes", 100, "Classes C.")
flags.DEFINE_integer("branches", 3, "Branches of a network that trains.")
flags.DEFINE_bool("main_branch", False, "Whether there is a main branch, too.")
flags.DEFINE_bool("splits", False, "List where each given model can be cut.")
flags.DEFINE_string("backend", None, "Keras backend: tensorflow, jax or torch.")
flags.DEFINE_bool("json", False, "Print JSON instead of a table.")

COLUMNS = (
    ("student parameters", "student", "parameters", 1e6, "M"),
    ("student MACs", "student", "macs", 1e6, "M"),
    ("training parameters", "training", "parameters", 1e6, "M"),
    ("training MACs", "training", "macs", 1e6, "M"),
    ("memory an image", "training", "activation_bytes", 1e6, "MB"),
)
SPLIT_COLUMNS = (
    ("trunk parameters", "trunk_parameters"),
    ("trunk MACs", "trunk_macs"),
    ("tail parameters", "tail_parameters"),
    ("tail MACs", "tail_macs"),
)


def run(arguments):
    """Prints costs as the flags say.

    Args:
        arguments: Names of backbones; all where there are none.
    """
    for name, low in (
        ("image_size", 1),
        ("channels", 1),
        ("classes", 2),
        ("branches", 1),
    ):
        if FLAGS[name].value < low:
            raise UserError(
                f"--{name} must be at least {low}, received "
                f"{FLAGS[name].value}."
            )
    if FLAGS.splits and not arguments:
        raise UserError(
            "--splits needs the names of models, such as "
            "applications:MobileNetV2 or model:FILE.keras."
        )
    use_backend(FLAGS.backend)
    run_extensions()

    from keras_css.backbones import BACKBONES

    names = arguments or BACKBONES.names()
    for name in names:
        BACKBONES.get(name)
    print_all = _splits if FLAGS.splits else _costs
    print_all(names)


def _image_shape():
    return (FLAGS.image_size, FLAGS.image_size, FLAGS.channels)


def _costs(names):
    import dataclasses

    from keras_css import backbones
    from keras_css.students.cost import network_cost
    from keras_css.students.cost import student_cost

    shape, found = _image_shape(), {}
    if not FLAGS.json:
        print(f"{'backbone':<24}" + "".join(f"{c[0]:>21}" for c in COLUMNS))
    for name in names:
        backbone = backbones.get(name)
        backbone.check_image_shape(shape)
        costs = {
            "student": student_cost(backbone, FLAGS.classes, shape),
            "training": network_cost(
                backbone,
                FLAGS.classes,
                shape,
                FLAGS.branches,
                main_branch=FLAGS.main_branch,
            ),
        }
        found[name] = {k: dataclasses.asdict(v) for k, v in costs.items()}
        if not FLAGS.json:
            cells = [
                f"{found[name][kind][key] / unit:,.2f} {word}"
                for _, kind, key, unit, word in COLUMNS
            ]
            row = "".join(f"{cell:>21}" for cell in cells)
            print(f"{name:<24}{row}", flush=True)
    if FLAGS.json:
        print(json.dumps(found, indent=2))
        return
    branches = f"{FLAGS.branches} branch" + "es" * (FLAGS.branches > 1)
    main = " and a main branch" * FLAGS.main_branch
    print(
        f"\n{'x'.join(map(str, shape))} images, {FLAGS.classes} classes; a "
        f"network trains with {branches}{main}, joint labels, and costs about "
        "three times its MACs a step and image. A cohort costs the sum of its "
        "networks."
    )


def _splits(names):
    import dataclasses

    from keras_css.backbones import BACKBONES
    from keras_css.backbones import suggest_splits

    found = {}
    for name in names:
        say(f"{name}: looking for cut points")
        points = suggest_splits(BACKBONES.model(name), _image_shape())
        found[name] = [dataclasses.asdict(point) for point in points]
        if FLAGS.json:
            continue
        heads = "".join(f"{text:>18}" for text, _ in SPLIT_COLUMNS)
        print(f"{'layer of ' + name:<40}{'output':>14}{heads}")
        for point in found[name]:
            shape = "x".join(map(str, point["shape"]))
            row = "".join(f"{point[k]:>18,}" for _, k in SPLIT_COLUMNS)
            print(f"{point['layer']:<40}{shape:>14}{row}")
    if FLAGS.json:
        print(json.dumps(found, indent=2))
