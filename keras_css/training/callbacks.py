"""What happens beside the steps: epoch count, guards."""

import logging
import math

import keras
from keras import ops

from keras_css.errors import NonFiniteLossError
from keras_css.evaluation.students import standard_error
from keras_css.training.statistics import ReEstimatedStatistics
from keras_css.training.statistics import slowest_momentum
from keras_css.training.validated import images_measured

# Shares of the way from chance to no error.
LEARNED, AT_CHANCE = 0.2, 0.05
# Of what running averages began with.
MUCH_LEFT = 0.1
# So many of its standard errors may an accuracy lie off by chance.
BY_CHANCE = 3


class EpochCounter(keras.callbacks.Callback):
    """Tells the distiller which epoch it is in, for ramp-ups."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.epoch.assign(float(epoch))


class NonFiniteGuard(keras.callbacks.Callback):
    """Stops training at the first loss term that is NaN or infinite.

    Nothing is saved after it, so the last checkpoint stays the good one.
    `OnlineDistiller.fit` puts it first.

    Raises:
        NonFiniteLossError: Names epoch, step (or the steps of one call) and
            term.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.first_step = batch + 1

    def on_train_batch_end(self, batch, logs=None):
        # Logs are running means of the epoch: the first non-finite value
        # makes the mean non-finite at that very step.
        steps = steps_done(batch, self.params)
        several = steps > self.first_step
        place = f"steps {self.first_step} to {steps}"
        self._check(logs, "loss", place if several else f"step {steps}")

    def on_epoch_end(self, epoch, logs=None):
        # The last update of an epoch is seen by validation first.
        self._check(logs, "val_loss", "validation")

    def _check(self, logs, total, place):
        logs = logs or {}
        if total not in logs or math.isfinite(float(logs[total])):
            return
        prefix = total.removesuffix("loss")
        terms = [n for n in logs if n.startswith(prefix) and n != total]
        bad = [n for n in terms if not math.isfinite(float(logs[n]))]
        name = min(bad) if bad else total
        raise NonFiniteLossError(
            f"The loss must stay finite, but '{name}' became "
            f"{float(logs[name])} in epoch {self.epoch + 1}, {place}: lower "
            "the learning rate, or check that all labels are classes, or "
            "shares that sum to 1. The weights may be lost: go on from a "
            "checkpoint, or with a new cohort."
        )


class ValidationGuard(keras.callbacks.Callback):
    """Says at the end of `fit` that validation lies far below training.

    That is: at chance, or nearer to it than to training while BatchNorm's
    averages still hold much of what they began with; and so many images
    below half of what training learned that few images do not explain it.

    Args:
        callbacks: The other callbacks of `fit`.
    """

    def __init__(self, callbacks=()):
        super().__init__()
        self.re_estimated = any(
            isinstance(other, ReEstimatedStatistics) for other in callbacks
        )
        self.logs = None
        self.images = 0

    def on_epoch_end(self, epoch, logs=None):
        if "val_loss" in (logs or {}):
            self.logs = dict(logs)
            # Validation was the last to count; the next epoch begins anew.
            self.images = images_measured(self.model)

    def on_train_end(self, logs=None):
        line = self.logs and self._doubt()
        if line:
            logging.getLogger(__name__).warning(line)

    def _doubt(self):
        method = self.model.method
        chance = 1 / method.num_classes
        students = method.student_parts()
        trained, validated = (
            max(float(self.logs[f"{part}{name}/accuracy"]) for name in students)
            for part in ("", "val_")
        )
        learned = (trained - chance) / (1 - chance)
        kept = (validated - chance) / (1 - chance)
        lag = self._lag()
        if learned < LEARNED or kept > (learned / 2 if lag else AT_CHANCE):
            return None
        half = (trained + chance) / 2
        error = standard_error(half, max(self.images, 1))
        if validated > half - BY_CHANCE * error:
            return None
        return (
            f"Validation accuracy is {validated:.3f} (chance: {chance:.3f}) "
            f"where training reaches {trained:.3f}: "
            + (lag or "do validation images and labels suit those of training?")
        )

    def _lag(self):
        """Returns what holds BatchNorm's averages back, or None."""
        momentum = slowest_momentum(self.model)
        steps = int(ops.convert_to_numpy(self.model.optimizer.iterations))
        if self.re_estimated or momentum**steps < MUCH_LEFT:
            return None
        return (
            "BatchNorm's running averages still hold "
            f"{momentum**steps:.0%} of what they began with, after {steps} "
            f"steps with momentum {momentum:g}: give fit callbacks="
            "[keras_css.training.ReEstimatedStatistics(x, y)] with the "
            "training images."
        )


def steps_done(batch, params):
    """Returns the number of an epoch's steps that are done.

    Args:
        batch: What Keras calls the last step of a call, from 0; it may lie
            beyond the last step of the epoch, if a call takes several.
        params: Parameters of the callback; steps may be unknown.
    """
    return min(batch + 1, params.get("steps") or batch + 1)
