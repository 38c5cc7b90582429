"""What happens beside the steps: epoch count, guards."""

import math

import keras

from keras_css.errors import NonFiniteLossError


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
            "shares that sum to 1; the last complete checkpoint is kept."
        )


def steps_done(batch, params):
    """Returns the number of an epoch's steps that are done.

    Args:
        batch: What Keras calls the last step of a call, from 0; it may lie
            beyond the last step of the epoch, if a call takes several.
        params: Parameters of the callback; steps may be unknown.
    """
    return min(batch + 1, params.get("steps") or batch + 1)
