"""How long a run would take, measured on a few of its steps."""

import dataclasses
import re
import statistics
import time

import keras
import numpy as np

from keras_css.data.batches import Shuffle
from keras_css.data.load import load
from keras_css.runs.cohort import build_batches
from keras_css.runs.cohort import build_distiller
from keras_css.runs.optimizer import build_optimizer
from keras_css.runs.teacher_outputs import TYPE
from keras_css.runs.teacher_outputs import stored_shape
from keras_css.runs.teachers import find_teachers
from keras_css.training.seed import set_seed
from keras_css.training.steps_per_call import decide_steps_per_call

# Blocks of steps whose median counts, and how long each lasts at least.
BLOCKS = 5
BLOCK_SECONDS = 1.0
WARM_UP_SECONDS = 2.0
DESCRIBED = re.compile(
    r"a step: ([\d.]+) ms, an epoch: (\d+) steps, the run: (\d+) epochs"
)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a run costs in training steps.

    Attributes:
        step_seconds: Seconds a training step.
        steps_per_epoch: Steps of an epoch.
        epochs: Of the whole run.
    """

    step_seconds: float
    steps_per_epoch: int
    epochs: int

    @property
    def epoch_seconds(self):
        """Seconds of an epoch's training, validation not counted."""
        return self.step_seconds * self.steps_per_epoch

    def describe(self):
        """Returns two lines for a user, which `read` understands."""
        total = self.epoch_seconds * self.epochs
        return (
            f"a step: {1000 * self.step_seconds:.3f} ms, an epoch: "
            f"{self.steps_per_epoch} steps, the run: {self.epochs} epochs\n"
            f"training takes about {duration(total)}, besides start-up, "
            "validation and test"
        )

    @classmethod
    def read(cls, text):
        """Returns the `Estimate` that a text describes, None if none."""
        found = DESCRIBED.search(text)
        if found is None:
            return None
        milliseconds, steps, epochs = found.groups()
        return cls(float(milliseconds) / 1000, int(steps), int(epochs))


def duration(seconds):
    """Returns a time as text, in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def estimate(config, say=print, steps_per_call=None):
    """Measures some training steps of a run that is not begun.

    Args:
        config: A `RunConfig`.
        say: Function that takes a line for the user.
        steps_per_call: As of `train`.

    Returns:
        An `Estimate`. Nothing is written.

    Raises:
        UserError: If a setting or the data does not fit.
    """
    dataset = load(config, say)
    config = config.complete(dataset)
    teachers = find_teachers(config.teacher, dataset.class_names)
    set_seed(config.seed)
    distiller = build_distiller(config, dataset, teachers=teachers)
    batches = build_batches(config, dataset, distiller)
    if distiller.said_is_stored:
        # A run's first pass over its images is no part of a step.
        _, *of_an_image = stored_shape(distiller, 0)
        batches.said = lambda view, rows: np.zeros(
            (len(rows), *of_an_image), TYPE
        )
    calls = decide_steps_per_call(steps_per_call, distiller, batches)
    # The weights go nowhere, however many steps it takes.
    optimizer = build_optimizer(config, len(batches), factor=1e-9)
    distiller.compile(optimizer, steps_per_execution=calls)
    timer = _Timer(batches.steps_per_epoch)
    distiller.fit(
        batches,
        shuffle=False,
        epochs=2**31,
        callbacks=[Shuffle(batches), timer],
        verbose=0,
    )
    return Estimate(
        statistics.median(timer.blocks),
        batches.steps_per_epoch,
        config.epochs,
    )


class _Timer(keras.callbacks.Callback):
    """Times blocks of steps after a warm-up and then ends the training.

    What lies between two epochs counts, as it does in a run.
    """

    def __init__(self, steps_per_epoch):
        super().__init__()
        self.steps_per_epoch = steps_per_epoch
        self.blocks = []
        self._epoch = 0
        self._limit = WARM_UP_SECONDS
        self._began = None
        self._first = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # Reading a number waits until the device has done the step.
        float(logs["loss"])
        now = time.perf_counter()
        step = self._epoch * self.steps_per_epoch + batch + 1
        if self._began is None:
            # The first step compiled.
            self._began, self._first = now, step
        if now - self._began < self._limit:
            return
        if self._limit == BLOCK_SECONDS:
            self.blocks.append((now - self._began) / (step - self._first))
        self._limit, self._began, self._first = BLOCK_SECONDS, now, step
        if len(self.blocks) == BLOCKS:
            self.model.stop_training = True
