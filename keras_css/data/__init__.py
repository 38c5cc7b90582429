"""The catalogue of data sets, and how images reach the device."""

from keras_css.data.catalogue import DATASETS
from keras_css.data.catalogue import Entry
from keras_css.data.dataset import Dataset
from keras_css.data.dataset import Recipe
from keras_css.data.dataset import Split
from keras_css.data.dataset import channel_statistics
from keras_css.data.load import DataRequest
from keras_css.data.load import load_dataset
from keras_css.data.pictures import Pictures

__all__ = [
    "DATASETS",
    "DataRequest",
    "Dataset",
    "Entry",
    "Pictures",
    "Recipe",
    "Split",
    "channel_statistics",
    "load_dataset",
]
