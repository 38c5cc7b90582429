"""Recipes: whole settings with a claim, a command, a time and a number each.

One file each. `SETTINGS` holds attributes of `RunConfig`; `SHRUNK` holds those
that differ in the form for a laptop, which shows in minutes that it all works.
"""

from keras_css.errors import UserError
from keras_css.recipes import cifar100_css
from keras_css.recipes import cifar100_okddip
from keras_css.recipes import cub200_css
from keras_css.recipes import digits_demo
from keras_css.recipes import stanford_cars_css
from keras_css.recipes import stanford_dogs_css
from keras_css.registry import Registry

RECIPES = Registry(
    "recipe",
    {
        "digits_demo": digits_demo,
        "cifar100_css": cifar100_css,
        "cifar100_okddip": cifar100_okddip,
        "cub200_css": cub200_css,
        "stanford_dogs_css": stanford_dogs_css,
        "stanford_cars_css": stanford_cars_css,
    },
)


def recipe_settings(name, shrink=False):
    """Returns the settings of a recipe as a new dict.

    Args:
        name: A name of `RECIPES`, or None for no settings at all.
        shrink: Whether in the form for a laptop.

    Raises:
        UserError: If the name is unknown, or nothing is there to shrink.
    """
    if name is None:
        if shrink:
            raise UserError(
                "--shrink makes a recipe smaller: name one with --recipe, "
                f"{', '.join(RECIPES.names())}."
            )
        return {}
    recipe = RECIPES.get(name)
    return {**recipe.SETTINGS, **(recipe.SHRUNK if shrink else {})}


__all__ = ["RECIPES", "recipe_settings"]
