"""Checkpoints: whenever a run dies, the last complete one is intact."""

import hashlib
import json
import pathlib
import shutil
import time

import keras
import numpy as np

from keras_css.copies import derive_state
from keras_css.errors import NonFiniteLossError
from keras_css.errors import StoppedError
from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.evaluation.students import shipping
from keras_css.runs.folder import json_text
from keras_css.runs.folder import write_atomically
from keras_css.runs.folder import write_json
from keras_css.runs.variables import load_values
from keras_css.runs.variables import save_values
from keras_css.runs.variables import values_of
from keras_css.training.callbacks import steps_done
from keras_css_runtime.shapes import fits

KEPT = 2
# Of the time of training, that checkpoints at the ends of epochs may take.
SHARE = 0.02
STATE = "state.json"
# A copy of the state that the last one replaced.
STATE_BEFORE = "state_before.json"
SELECTED = {"epoch": int, "accuracy": float, "file": str, "sha256": str}
ENTRY = {
    **{"epoch": int, "step": int, "seconds": float},
    **{"file": str, "sha256": str, "selected": (SELECTED, None)},
    **{"random_states": list, "metrics": list},
}


class Checkpoints(keras.callbacks.Callback):
    """Saves the distiller at the end of epochs, and within them by the clock.

    `epoch_0007.npz` holds weights and optimizer after 7 epochs,
    `epoch_0007_step_000120.npz` after 120 steps more; the last two are kept.
    `selected_0005.npz` has the weights of the epoch in which the best
    student's validation accuracy was highest (the latest of equals).
    `state.json` names the files with their checksums, the states of random
    generators and, within an epoch, the running means of the metrics. It has
    a checksum itself, is replaced once the new files are whole, and its copy
    of before stays; only then do old files go.

    Where epochs take seconds, saving each would take much of the time: an
    epoch is saved when that costs at most `SHARE` of the time since the last
    checkpoint, by what the last one took; the last epoch always is. Until
    then the weights of the preferred epoch are kept in memory.

    Args:
        folder: The `RunFolder`.
        history: The `History` of the run.
        entries: List of entries that `restore` returned.
        minutes: Most time between two checkpoints. 0 saves after every step
            and epoch.
        signals: Optional `StopSignals`: after one the run is saved and stops.
        every_epoch: Whether each epoch's end is saved, whatever it costs.
        ship: Networks that may ship, as of `shipping`.

    Raises:
        NonFiniteLossError: If a weight is NaN or infinite: nothing is saved.
        StoppedError: If a signal came.
    """

    def __init__(
        self,
        folder,
        history,
        entries=(),
        minutes=10,
        signals=None,
        every_epoch=False,
        ship="all",
    ):
        super().__init__()
        self.folder = folder
        self.history = history
        self.entries = list(entries)
        self.seconds_between = 60 * minutes
        self.signals = signals
        self.every_epoch = every_epoch
        self.ship = ship
        self.first_step = entries[-1]["step"] if entries else 0
        # What is known of the epoch validation prefers; None without one.
        self.selected = entries[-1]["selected"] if entries else None
        self.selected_weights = None
        self.save_seconds = 0.0
        self.saved_at = time.monotonic()

    def on_train_begin(self, logs=None):
        self.saved_at = time.monotonic()
        if not (self.folder.checkpoints / STATE).exists():
            # A run that ends within its first checkpoint has none.
            write_state(self.folder, [])

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        steps = steps_done(batch, self.params)
        due = self._stopping or self._waited >= self.seconds_between
        if due and steps < self.params["steps"]:
            self._save(self.epoch, self.first_step + steps)
            self._stop_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        self.first_step = 0
        # Of what can be shipped only.
        students = shipping(self.model.method.student_parts(), self.ship)
        best = float(max(logs[f"val_{name}/accuracy"] for name in students))
        weights = values_of(self.model.weights)
        self._refuse_unless_finite(weights)
        if not self.selected or best >= self.selected["accuracy"]:
            self.selected_weights = weights
            self.selected = {"epoch": epoch + 1, "accuracy": best}
        cheap = min(self.seconds_between, self.save_seconds / SHARE)
        always = self.every_epoch or epoch + 1 == self.params["epochs"]
        if always or self._stopping or self._waited >= cheap:
            self._save(epoch + 1, 0)
            self._stop_if_asked()

    @property
    def _waited(self):
        return time.monotonic() - self.saved_at

    @property
    def _stopping(self):
        return self.signals is not None and bool(self.signals.received)

    def _stop_if_asked(self):
        if self._stopping:
            raise StoppedError(
                f"stopped by {self.signals.name}, all saved: go on with "
                f"--resume --run_dir {self.folder.path}",
                self.signals.exit_code,
            )

    def _save(self, epoch, step):
        """Writes a checkpoint and makes it the last one."""
        began = time.monotonic()
        model = self.model
        values = values_of(checkpointed(model))
        self._refuse_unless_finite(values)
        self._save_selected()
        name = f"epoch_{epoch:04d}" + (f"_step_{step:06d}" if step else "")
        path = self.folder.checkpoints / f"{name}.npz"
        write_atomically(path, lambda part: save_values(part, values))
        self._keep(
            {
                "epoch": epoch,
                "step": step,
                "seconds": round(self.history.seconds_so_far, 3) if step else 0,
                "file": path.name,
                "sha256": checksum(path),
                "random_states": _values(random_states(model)),
                "metrics": _values(model.metrics_variables) if step else [],
                "selected": self.selected,
            }
        )
        self.saved_at = time.monotonic()
        self.save_seconds = self.saved_at - began

    def _save_selected(self):
        """Writes the weights of the preferred epoch that are in memory."""
        if self.selected_weights is None:
            return
        epoch = self.selected["epoch"]
        path = self.folder.checkpoints / f"selected_{epoch:04d}.npz"
        write_atomically(
            path, lambda part: save_values(part, self.selected_weights)
        )
        self.selected |= {"file": path.name, "sha256": checksum(path)}
        self.selected_weights = None

    def _refuse_unless_finite(self, values):
        if not all(np.all(np.isfinite(value)) for value in values.values()):
            raise NonFiniteLossError(
                "The weights must stay finite, but one became NaN or infinite "
                f"in epoch {self.epoch + 1}, seen at its end: lower the "
                "learning rate; the last complete checkpoint is kept."
            )

    def _keep(self, entry):
        """Makes an entry whose files are whole the last one."""
        self.entries = [*self.entries, entry][-KEPT:]
        write_state(self.folder, self.entries)
        named = {entry["file"] for entry in self.entries}
        named |= {e["selected"]["file"] for e in self.entries if e["selected"]}
        for path in self.folder.checkpoints.glob("*.npz"):
            if path.name not in named:
                path.unlink()


class MetricsSoFar(keras.callbacks.Callback):
    """Goes on with the running means of an epoch that was begun before.

    Args:
        entry: The checkpoint's entry.
    """

    def __init__(self, entry):
        super().__init__()
        self.values = entry["metrics"]

    def on_epoch_begin(self, epoch, logs=None):
        _assign(self.model.metrics_variables, self.values)


def restore(folder, distiller, say):
    """Loads the last intact checkpoint of a run.

    Args:
        folder: The `RunFolder`.
        distiller: Built and compiled like when the checkpoint was written.
        say: Function that takes a line for the user.

    Returns:
        List of the entries up to the one that was loaded; `[]` if there is no
        checkpoint.

    Raises:
        UserError: If there are checkpoints but none is intact.
    """
    entries = read_state(folder, say)
    if not entries:
        say(f"no checkpoint in {folder.path}: starting from the beginning")
        return []
    for i, entry in reversed(list(enumerate(entries))):
        path = _inside(folder, entry)
        if not _intact(folder, entry):
            say(f"checkpoint {path} is damaged: trying the one before it")
            continue
        load_values(path, checkpointed(distiller))
        derive_state(distiller)
        _assign(random_states(distiller), entry["random_states"])
        step = f", step {entry['step']}" if entry["step"] else ""
        say(f"resuming after epoch {entry['epoch']}{step}")
        if entry["selected"] and not _intact(folder, entry["selected"]):
            say("the epoch preferred so far is lost: choosing anew from here")
            entry["selected"] = None
        return entries[: i + 1]
    raise UserError(
        f"{folder.checkpoints} must hold an intact checkpoint, but all are "
        "damaged: start a new run."
    )


def write_state(folder, entries):
    """Writes `state.json`; the one before it stays as a copy.

    Args:
        folder: The `RunFolder`.
        entries: List of the checkpoints' entries, the last one last.
    """
    path = folder.checkpoints / STATE
    # A damaged one must not take the place of an intact one.
    if path.exists() and _read_entries(path) is not None:
        write_atomically(
            folder.checkpoints / STATE_BEFORE,
            lambda part: shutil.copyfile(path, part),
        )
    write_json(path, {"sha256": _digest(entries), "epochs": entries})


def read_state(folder, say):
    """Returns the entries of the checkpoints, [] if there are none yet.

    Raises:
        UserError: If no state is intact.
    """
    paths = [folder.checkpoints / name for name in (STATE, STATE_BEFORE)]
    paths = [path for path in paths if path.exists()]
    for path in paths:
        entries = _read_entries(path)
        # The state before the first checkpoint says nothing of one.
        if entries or (entries is not None and path.name == STATE):
            return entries
        say(f"{path} is damaged: trying the one before it")
    if paths or any(folder.checkpoints.glob("*.npz")):
        raise UserError(
            f"{folder.checkpoints / STATE} must be the state of a run's "
            "checkpoints, but is damaged or missing: start a new run."
        )
    return []


def _read_entries(path):
    """Returns the entries of a state, None if it is damaged."""
    try:
        state = json.loads(path.read_bytes())
        entries = state["epochs"]
        if state["sha256"] != _digest(entries):
            return None
        complete = fits(entries, [ENTRY])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return entries if complete else None


def _digest(entries):
    return hashlib.sha256(json_text(entries).encode()).hexdigest()


def _inside(folder, entry):
    """Returns the path of an entry's file, which lies in the folder."""
    return folder.checkpoints / pathlib.PurePath(entry["file"]).name


def _intact(folder, entry):
    path = _inside(folder, entry)
    return path.is_file() and checksum(path) == entry["sha256"]


def load_selected(folder, distiller, selected):
    """Loads the weights of the epoch that validation preferred.

    Args:
        folder: The `RunFolder`.
        distiller: The `OnlineDistiller`.
        selected: What the last checkpoint's entry says of it, or None.

    Returns:
        The 1-based epoch; None, and nothing is loaded, if the file is damaged.
    """
    if selected is None or not _intact(folder, selected):
        return None
    load_values(_inside(folder, selected), distiller.weights)
    derive_state(distiller)
    return selected["epoch"]


def checkpointed(model):
    """Returns the variables that a checkpoint's file holds."""
    return [*model.weights, *model.optimizer.variables]


def random_states(model):
    """Returns the states of a model's random generators.

    Keras saves them in no file; they are the variables that are neither
    weights nor metrics.
    """
    taught = [v for teacher in model.teachers for v in teacher.variables]
    weights = [*model.weights, *model.metrics_variables, *taught]
    others = {id(v) for v in weights}
    return [v for v in model.non_trainable_variables if id(v) not in others]


def _values(variables):
    """Returns the values of variables as lists that JSON can hold."""
    return [keras.ops.convert_to_numpy(v).tolist() for v in variables]


def _assign(variables, values):
    try:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(np.asarray(value, variable.dtype))
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(
            "The state of a checkpoint must hold this cohort's generators and "
            f"metrics, but does not ({first_line(error)}): start a new run."
        ) from error


def checksum(path):
    """Returns the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
