"""What belongs to one run while it trains."""

import dataclasses
from collections.abc import Callable

from keras_css.data.batches import TrainingBatches
from keras_css.data.dataset import Dataset
from keras_css.runs.config import RunConfig
from keras_css.runs.folder import RunFolder
from keras_css.training import OnlineDistiller


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that is set up.

    Attributes:
        folder: Where it is kept.
        config: What it was asked for, complete.
        dataset: What it learns from.
        distiller: What learns, built and compiled.
        batches: What it learns in each epoch.
        say: Function that takes a line for the user.
    """

    folder: RunFolder
    config: RunConfig
    dataset: Dataset
    distiller: OnlineDistiller
    batches: TrainingBatches
    say: Callable[[str], None]
