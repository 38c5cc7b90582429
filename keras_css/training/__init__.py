"""Training a cohort: the distiller, its optimizer and its schedule."""

from keras_css.training.distiller import OnlineDistiller
from keras_css.training.schedules import WarmupCosine
from keras_css.training.schedules import WarmupMultiStep
from keras_css.training.sgd import SGD
from keras_css.training.statistics import ReEstimatedStatistics
from keras_css.training.statistics import re_estimate_statistics

__all__ = [
    "SGD",
    "OnlineDistiller",
    "ReEstimatedStatistics",
    "WarmupCosine",
    "WarmupMultiStep",
    "re_estimate_statistics",
]
