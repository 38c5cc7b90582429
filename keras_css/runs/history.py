"""One row an epoch: `history.csv` and TensorBoard."""

import csv
import time

import keras

from keras_css.errors import UserError
from keras_css.runs.folder import write_atomically
from keras_css_runtime.shapes import fits


class History(keras.callbacks.Callback):
    """Keeps the rows of all epochs on disk, those before a resume included.

    Without tensorboardX there are no TensorBoard logs.

    Attributes:
        rows: List of dicts: `epoch` (1-based), `seconds` (training and
            validation), `learning_rate` (of the epoch's first step), then
            every metric.

    Args:
        folder: The `RunFolder`.
        epochs_done: Rows of an earlier part of the run to keep.
        seconds: What the epoch after them has taken before a resume.
    """

    def __init__(self, folder, epochs_done=0, seconds=0):
        super().__init__()
        self.seconds_before = seconds
        self.folder = folder
        self.rows = read_history(folder.history)[:epochs_done]
        self.writer = None

    @property
    def seconds_so_far(self):
        """What the running epoch has taken."""
        return self.seconds_before + time.perf_counter() - self.began

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()
        # After the epoch, the optimizer's rate is already the next one's.
        rate = self.model.optimizer.learning_rate
        self.rate = float(keras.ops.convert_to_numpy(rate))

    def on_epoch_end(self, epoch, logs=None):
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append(
            {
                "epoch": epoch + 1,
                "seconds": round(self.seconds_so_far, 3),
                "learning_rate": self.rate,
                **{name: metrics[name] for name in sorted(metrics)},
            }
        )
        self.seconds_before = 0
        write_atomically(self.folder.history, self._write)
        self._write_to_tensorboard(epoch)

    def on_train_end(self, logs=None):
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _write_to_tensorboard(self, epoch):
        if self.writer is None:
            # Imported here, after the first epoch: it imports PyTorch where
            # that is installed.
            try:
                from tensorboardX import SummaryWriter
            except ModuleNotFoundError:
                return
            self.writer = SummaryWriter(
                str(self.folder.logs), purge_step=epoch + 1
            )
        for name, value in self.rows[-1].items():
            if name != "epoch":
                tag = _tensorboard_tag(name)
                self.writer.add_scalar(tag, value, epoch + 1)
        self.writer.flush()

    def _write(self, path):
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


def read_history(path):
    """Returns the rows of a `history.csv`, [] if there is none.

    Raises:
        UserError: If the file is damaged.
    """
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [
                {
                    name: int(value) if name == "epoch" else float(value)
                    for name, value in row.items()
                }
                for row in csv.DictReader(file)
            ]
        if not fits(rows, [{"epoch": int, "seconds": float}]):
            raise ValueError("an epoch or its seconds are missing or no number")
        return rows
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path} must be the history written by a run, but cannot be "
            f"read: {error}"
        ) from error


def _tensorboard_tag(name):
    """Puts training and validation under one heading each."""
    if name.startswith("val_"):
        return f"validation/{name[4:]}"
    return f"train/{name}"
