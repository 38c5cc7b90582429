"""One training as a folder on disk: configuration, checkpoints, result."""

from keras_css.runs.config import RunConfig
from keras_css.runs.folder import RunFolder
from keras_css.runs.train import train

__all__ = ["RunConfig", "RunFolder", "train"]
