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

    Raises:
        NonFiniteLossError: Names epoch, step and term.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        # Logs are running means of the epoch: the first non-finite value of a
        # term makes its mean non-finite at that very step. The total comes
        # first in the logs and says least, so it is looked at last.
        for name in sorted(logs or {}, key=lambda name: name == "loss"):
            value = float(logs[name])
            if not math.isfinite(value):
                raise NonFiniteLossError(
                    f"The loss must stay finite, but '{name}' became {value} "
                    f"in epoch {self.epoch + 1}, step {batch + 1}: lower the "
                    "learning rate, or check that all labels are classes; "
                    "the last complete checkpoint is kept."
                )
