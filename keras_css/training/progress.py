"""Progress of training on one line, however many students there are."""

import shutil
import sys
import time

import keras

from keras_css.training.callbacks import steps_done


class ProgressLine(keras.callbacks.Callback):
    """Shows steps, loss and accuracies on a line that fits the terminal.

    `ensemble .97 | a .95 (.93 .94 .94) | b .96 (.94 .95 .95)`: networks with
    their branches in brackets. On a terminal the line is rewritten while an
    epoch runs; elsewhere there is one line an epoch.

    Args:
        verbose: As in `keras.Model.fit`: 2 for one line an epoch always.
        stream: Where to write; default standard output.
    """

    def __init__(self, verbose="auto", stream=None):
        super().__init__()
        self.stream = stream or sys.stdout
        self.live = verbose != 2 and self.stream.isatty()
        self.in_fit = False

    def on_train_begin(self, logs=None):
        self.in_fit = True

    def on_epoch_begin(self, epoch, logs=None):
        self.title = f"epoch {epoch + 1}/{self.params['epochs']}"
        self.began = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self._show_step(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        seconds = time.monotonic() - self.began
        lines = [f"{self.title}  {seconds:.1f}s  train {describe(logs)}"]
        measured = {
            name[4:]: value
            for name, value in logs.items()
            if name.startswith("val_")
        }
        if measured:
            lines.append(f"{'':{len(self.title)}}  val {describe(measured)}")
        self._finish(lines)

    def on_test_begin(self, logs=None):
        if not self.in_fit:
            self.title = "evaluate"
            self.began = time.monotonic()

    def on_test_batch_end(self, batch, logs=None):
        if not self.in_fit:
            self._show_step(batch, logs)

    def on_test_end(self, logs=None):
        if not self.in_fit:
            seconds = time.monotonic() - self.began
            self._finish([f"evaluate  {seconds:.1f}s  {describe(logs or {})}"])

    def _show_step(self, batch, logs):
        if not self.live:
            return
        steps = self.params.get("steps")
        done = steps_done(batch, self.params)
        place = f"step {done}" + (f"/{steps}" if steps else "")
        line = f"{self.title}  {place}  {describe(logs or {})}"
        width = shutil.get_terminal_size().columns - 1
        self.stream.write("\r" + line[:width].ljust(width))
        self.stream.flush()

    def _finish(self, lines):
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write("\r" + " " * width + "\r")
        self.stream.write("\n".join(lines) + "\n")
        self.stream.flush()


def describe(logs):
    """Returns loss and accuracies in short: `loss 2.31 | a .95 (.93 .94)`.

    Args:
        logs: Dict from metric name to a scalar.
    """
    ending = "/accuracy"
    accuracy = {
        name[: -len(ending)]: float(value)
        for name, value in logs.items()
        if name.endswith(ending) and not name.startswith("val_")
    }
    parts = []
    if "loss" in logs:
        parts.append(f"loss {float(logs['loss']):.3g}")
    if "ensemble" in accuracy:
        parts.append(f"ensemble {_short(accuracy.pop('ensemble'))}")
    groups = {}
    for name, value in accuracy.items():
        whole, _, part = name.partition("/")
        groups.setdefault(whole, ([], []))[bool(part)].append(_short(value))
    for whole, (own, branches) in groups.items():
        shown = [whole.removeprefix("network_"), *own]
        if len(branches) > 1 or not own:
            shown.append(f"({' '.join(branches)})")
        parts.append(" ".join(shown))
    return " | ".join(parts)


def _short(fraction):
    return f"{fraction:.3f}".removeprefix("0")
