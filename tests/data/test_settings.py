"""A setting that means nothing is refused by what takes it."""

import pytest

from keras_css import UserError
from keras_css.data import augmentation
from keras_css.data import load_dataset
from keras_css.runs.config import RunConfig

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("feeding", "never"),
        ("on_bad_image", "ignore"),
        ("crop_fraction", 5.0),
        ("crop_fraction", 0),
        ("box_margin", -3),
        ("box_margin", float("nan")),
        ("box_margin", None),
        ("validation_fraction", 1.0),
        ("test_fraction", "0.2"),
    ],
)
def test_data_that_are_read_in_no_known_way(name, value):
    with pytest.raises(UserError, match=f"^{name} must .*, received "):
        load_dataset("digits", say=lambda line: None, **{name: value})


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ColorJitter", {"contrast": -1}),
        ("ColorJitter", {"hue": 3}),
        ("Cutout", {"size": -4}),
        ("PadAndCrop", {"padding": -1}),
        ("RandAugment", {"magnitude": 11}),
        ("RandomResizedCrop", {"size": (8, 8), "least_area": 5}),
        ("RandomResizedCrop", {"size": (8, 8), "aspect": 0}),
    ],
)
def test_changes_of_an_image_that_mean_nothing(name, settings):
    with pytest.raises(UserError, match=f" of {name} must be a .*number from"):
        getattr(augmentation, name)(**settings)


def test_a_command_names_the_flag():
    with pytest.raises(UserError, match=r"^--feeding must be auto or"):
        RunConfig(feeding="never")
    with pytest.raises(UserError, match=r"^--box_margin must be a number"):
        RunConfig(box_margin=-3.0)
