"""The settings of a run, each declared once; all else is made of them.

Needs neither Keras nor NumPy: help is shown without waiting for them.
"""

from keras_css_settings.augmentation import Augmentation
from keras_css_settings.data import DataRequest
from keras_css_settings.method import Method
from keras_css_settings.networks import Networks
from keras_css_settings.optimisation import Optimisation
from keras_css_settings.running import Running

# Those that `config.json` keeps, in the order of help.
GROUPS = (DataRequest, Networks, Method, Optimisation, Augmentation)

__all__ = [
    "GROUPS",
    "Augmentation",
    "DataRequest",
    "Method",
    "Networks",
    "Optimisation",
    "Running",
]
