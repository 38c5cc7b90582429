"""A setting is declared once: flag, check, table and help come from there."""

import dataclasses
import json
import pathlib

import pytest
from absl import flags

from keras_css import UserError
from keras_css.backbones import BACKBONES
from keras_css.data import DATASETS
from keras_css.methods import METHODS
from keras_css.recipes import RECIPES
from keras_css.runs import RunConfig
from keras_css.studies import STUDIES
from keras_css.supervision import TRANSFORMATIONS
from keras_css_cli.setting_flags import define
from keras_css_cli.setting_flags import values
from keras_css_runtime.settings import Choice
from keras_css_runtime.settings import Number
from keras_css_runtime.settings import Sides
from keras_css_settings import GROUPS
from keras_css_settings import Running
from keras_css_settings.__main__ import table
from keras_css_settings.setting import Epochs
from keras_css_settings.setting import Settings
from keras_css_settings.setting import fields_of
from keras_css_settings.setting import help_of
from keras_css_settings.setting import registered
from keras_css_settings.setting import setting

pytestmark = pytest.mark.once
FLAGS = flags.FLAGS
ROOT = pathlib.Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Oven(Settings):
    """A group that is nowhere else."""

    oven_heat: float = setting(1, Number(0, 3), "How hot.")
    oven_mode: str = setting("fan", Choice(("fan", "grill")), "Which air.")
    oven_size: tuple | None = setting(None, Sides(), "How wide.")
    oven_times: tuple | None = setting(None, Epochs(), "When.")


@pytest.fixture
def oven():
    """The names of the flags of `Oven`, which end with the test."""
    names = define(Oven)
    yield names
    for name in names:
        delattr(FLAGS, name)


def test_one_line_is_all_that_a_setting_needs(oven):
    asked = {
        **{"oven_heat": "2", "oven_mode": "grill"},
        **{"oven_size": "64", "oven_times": "5,3"},
    }
    for name, text in asked.items():
        FLAGS[name].parse(text)
    given = Oven(**values(oven))
    assert given == Oven(2.0, "grill", (64, 64), (3, 5))
    assert FLAGS["oven_size"].serialize() == "--oven_size=64x64"
    assert FLAGS["oven_times"].serialize() == "--oven_times=3,5"
    said = FLAGS.module_help(Oven.__module__)
    assert "--oven_mode: <fan|grill>: Which air." in said
    with pytest.raises(UserError, match="--oven_heat must be a number from 0"):
        Oven(oven_heat=4)


def test_every_setting_of_a_run_is_declared_in_one_group():
    settings = [name for group in GROUPS for name in fields_of(group)]
    assert len(settings) == len(set(settings))
    assert set(settings) == set(fields_of(RunConfig))
    for name, field in fields_of(*GROUPS, Running).items():
        assert help_of(field).endswith("."), name
        assert "{" not in help_of(field), name


@pytest.mark.parametrize(
    ("place", "registry"),
    [
        ("backbones", BACKBONES),
        ("data/catalogue", DATASETS),
        ("methods", METHODS),
        ("recipes", RECIPES),
        ("studies", STUDIES),
        ("supervision/transformations", TRANSFORMATIONS),
    ],
)
def test_help_lists_the_names_of_a_registry(place, registry):
    names = registry.names()
    read = registered(place)
    assert names[: len(read)] == read


def test_settings_of_before_are_read():
    paths = list((ROOT / "results").rglob("compare.json"))
    assert paths
    for path in paths:
        stored = json.loads(path.read_text("utf-8"))["settings"]
        stored = {k: v for k, v in stored.items() if k in fields_of(RunConfig)}
        config = json.loads(json.dumps(RunConfig.from_json(stored).to_json()))
        assert stored.items() <= config.items()


def test_the_table_of_settings_is_that_of_today():
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert text == table() + "\n", "python -m keras_css_settings writes it"
