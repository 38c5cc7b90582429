"""Recipes: every one is a valid run, in full and shrunk."""

import inspect

import pytest

from keras_css import UserError
from keras_css.data import load_dataset
from keras_css.recipes import RECIPES
from keras_css.recipes import recipe_settings
from keras_css.runs import RunConfig

pytestmark = pytest.mark.once


@pytest.mark.parametrize("shrink", [False, True])
@pytest.mark.parametrize("name", RECIPES.names())
def test_every_recipe_is_a_valid_run(name, shrink):
    settings = recipe_settings(name, shrink)
    config = RunConfig(**settings)
    stored = RunConfig.from_json(config.to_json())
    assert stored == config
    assert (config.epochs or 0) < 10 or not shrink


@pytest.mark.parametrize("name", RECIPES.names())
def test_every_recipe_says_what_it_is_for(name):
    said = inspect.getdoc(RECIPES.get(name))
    for heading in ("Claim:", "Command:", "Time:", "Number:"):
        assert f"\n{heading}" in said
    assert f"--recipe {name}" in said


def test_the_other_networks_are_like_the_first():
    dataset = load_dataset("digits", say=lambda line: None)
    for given, expected in (
        ({}, ["resnet14", "resnet8"]),
        ({"network_a": "resnet20"}, ["resnet20", "resnet20"]),
        ({"network_a": "resnet20", "network_b": "none"}, ["resnet20"]),
        ({"network_b": "resnet20"}, ["resnet14", "resnet20"]),
    ):
        assert RunConfig(**given).complete(dataset).networks == expected


def test_what_is_no_recipe():
    with pytest.raises(UserError, match=r"'cub_css'.*cub200_css"):
        recipe_settings("cub_css")
    with pytest.raises(UserError, match=r"--shrink.*digits_demo"):
        recipe_settings(None, shrink=True)
    assert recipe_settings(None) == {}
