"""Flags for whole settings by name, and for where they are computed."""

from absl import flags

from keras_css_cli.setting_flags import values
from keras_css_settings.setting import registered

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "recipe",
    None,
    "Whole settings by name, which other flags change: "
    f"{', '.join(registered('recipes'))}. The files in keras_css/recipes say "
    "what each is for.",
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


def settings(names):
    """Returns the values of flags; a recipe's stand for those not given.

    Args:
        names: Of the settings.

    Raises:
        UserError: If the recipe is unknown.
    """
    found = values(names)
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
