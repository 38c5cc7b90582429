"""The catalogue of data sets and how they reach the device."""

from keras_css.data import digits
from keras_css.data import npz
from keras_css.data.dataset import Dataset
from keras_css.data.dataset import Recipe
from keras_css.data.dataset import Split
from keras_css.data.dataset import channel_statistics
from keras_css.data.dataset import split_off_validation
from keras_css.registry import Registry

DATASETS = Registry("dataset", {"digits": digits.load, "npz": npz.load})

__all__ = [
    "DATASETS",
    "Dataset",
    "Recipe",
    "Split",
    "channel_statistics",
    "split_off_validation",
]
