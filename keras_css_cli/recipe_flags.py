"""Flags on what trains and how: all settings of a run but method and seed."""

from absl import flags

from keras_css_cli import augmentation_flags
from keras_css_cli import data_flags
from keras_css_runtime.errors import UserError

FLAGS = flags.FLAGS
NETWORKS = ("network_a", "network_b", "network_c", "network_d")
WEIGHTS = ("weights_a", "weights_b", "weights_c", "weights_d")
OWN_NAMES = (
    *NETWORKS,
    *(*WEIGHTS, "freeze", "pretrained_rate"),
    *("branches", "transformation", "joint_labels"),
    *("epochs", "steps", "batch_size"),
    *("optimizer", "learning_rate", "momentum", "nesterov", "weight_decay"),
    *("schedule", "warmup_epochs", "lr_milestones", "precision"),
    *("average_weights", "ship"),
)
NAMES = (*OWN_NAMES, *data_flags.NAMES, *augmentation_flags.NAMES)

flags.DEFINE_string(
    "recipe",
    None,
    "Whole settings by name, which other flags change: digits_demo, "
    "cifar100_css, cifar100_okddip, cub200_css, stanford_dogs_css, "
    "stanford_cars_css. The files in keras_css/recipes say what each is for.",
)
flags.DEFINE_bool(
    "shrink", False, "The recipe's form for a laptop: it ends within minutes."
)
flags.DEFINE_string(
    "backend",
    None,
    "Keras backend: tensorflow, jax or torch. Default: KERAS_BACKEND, else "
    "Keras' own choice.",
)
flags.DEFINE_string(
    "network_a",
    None,
    "Backbone of the first network: a name such as resnet20, "
    "applications:MobileNetV2@block_13_expand (a model of keras.applications, "
    "cut at a layer), or model:FILE.keras@LAYER. 'python scripts/models.py' "
    "lists names and cut points.",
)
flags.DEFINE_string(
    "network_b",
    None,
    "Backbone of the second; 'none' for a single network. Default: that of the "
    "first, as many networks as the method has.",
)
flags.DEFINE_string(
    "ship",
    "all",
    "Networks that the best student may be cut from, such as network_a: a "
    "larger network_b then only teaches.",
)
flags.DEFINE_string("network_c", None, "Backbone of a third network.")
flags.DEFINE_string("network_d", None, "Backbone of a fourth one.")
for _name, _network in zip(WEIGHTS, NETWORKS):
    flags.DEFINE_string(
        _name,
        None,
        f"What {_network} begins with: a file .keras, 'imagenet' (published "
        "weights of an applications: backbone, downloaded once) or 'none'.",
    )
flags.DEFINE_enum(
    "freeze",
    "none",
    ["none", "trunk", "batch_norm"],
    "What of the trunks does not train: nothing, all, or their BatchNorm.",
)
flags.DEFINE_float(
    "pretrained_rate",
    1.0,
    "Learning rate of trunks and tails that begin with given weights, relative "
    "to the rate of the others.",
)
flags.DEFINE_integer(
    "branches",
    None,
    "Branches of each network; default the transformation's or the method's.",
)
flags.DEFINE_string(
    "transformation",
    None,
    "What tells branches apart. Of features: corner_erase, channel_group_drop, "
    "feature_rotation, none. Of images: rotation, color_permutation, "
    "turned_quadrant, rotation_color.",
)
flags.DEFINE_bool(
    "joint_labels", None, "Whether heads predict class x transformation."
)
flags.DEFINE_integer("epochs", None, "Epochs of the whole run.")
flags.DEFINE_integer(
    "steps",
    None,
    "Steps of the whole run instead of --epochs, rounded up to whole epochs: "
    "small sets need as many steps as large ones.",
)
flags.DEFINE_integer("batch_size", None, "Images a step.")
flags.DEFINE_string(
    "optimizer", "sgd", "sgd, or adamw (whose rates are 10 to 100 times lower)."
)
flags.DEFINE_float("learning_rate", None, "Full learning rate.")
flags.DEFINE_float("momentum", 0.9, "Momentum of SGD.")
flags.DEFINE_bool("nesterov", False, "Whether SGD looks ahead.")
flags.DEFINE_float(
    "weight_decay", 5e-4, "Weight decay: coupled in SGD, decoupled in AdamW."
)
flags.DEFINE_string(
    "schedule",
    "steps",
    "Of the learning rate after warm-up: steps (a tenth at each of "
    "lr_milestones), or cosine (half of one, down to nothing).",
)
flags.DEFINE_integer(
    "warmup_epochs", None, "Epochs of warm-up; default a tenth, at most 5."
)
flags.DEFINE_list(
    "lr_milestones",
    None,
    "1-based epochs from which the rate is 10 times lower; default at half "
    "and at three quarters of the epochs.",
)
flags.DEFINE_float(
    "average_weights",
    0.0,
    "Decay of a running mean of the weights, such as 0.999; 0 for none. Each "
    "student is measured with the averaged weights, too, as NAME/averaged.",
)
flags.DEFINE_string(
    "precision",
    "float32",
    "Of the networks while they train: float32, mixed_bfloat16, "
    "mixed_float16. What is saved and measured in the end is float32.",
)


def settings():
    """Returns the flags, with those on data and augmentation, as a dict.

    A recipe's settings stand for flags that were not given.

    Raises:
        UserError: If a flag cannot be read or the recipe is unknown.
    """
    found = {
        **data_flags.data_settings(),
        **augmentation_flags.augmentation_settings(),
        **{name: FLAGS[name].value for name in OWN_NAMES},
    }
    if FLAGS.lr_milestones is not None:
        found["lr_milestones"] = milestones(FLAGS.lr_milestones)
    for name, value in recipe().items():
        if name == "epochs" and FLAGS["steps"].present:
            continue
        if name in found and not FLAGS[name].present:
            found[name] = value
    return found


def recipe():
    """Returns the settings of the recipe that was named, if any."""
    from keras_css.recipes import recipe_settings

    return recipe_settings(FLAGS.recipe, FLAGS.shrink)


def milestones(texts):
    """Returns sorted epochs of texts such as those of `--lr_milestones`.

    Raises:
        UserError: If one is no whole number.
    """
    try:
        return tuple(sorted(int(text) for text in texts))
    except ValueError:
        raise UserError(
            "--lr_milestones must be whole numbers with commas between them, "
            f"received '{','.join(texts)}'."
        ) from None
