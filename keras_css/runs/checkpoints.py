"""Checkpoints after every epoch: the last complete one is always intact."""

import hashlib
import pathlib
import shutil

import keras
import numpy as np

from keras_css.errors import UserError
from keras_css.runs.folder import write_atomically
from keras_css.runs.folder import write_json

KEPT = 2
ENTRY = {"epoch", "file", "sha256", "random_states"}


class Checkpoints(keras.callbacks.Callback):
    """Saves the distiller after each epoch, and the epoch validation prefers.

    `epoch_0007.weights.h5` holds weights and optimizer after 7 epochs, for
    `--resume`; the last two are kept. `selected_0005...` is a copy of the
    epoch in which the best student's validation accuracy was highest (the
    latest of equals). `state.json` names the files with their checksums and
    the states of random generators. It is replaced once the new files are
    whole; only then do old ones go.

    Args:
        folder: The `RunFolder`.
        state: What `restore` returned, or None for a new run.
    """

    def __init__(self, folder, state=None):
        super().__init__()
        self.folder = folder
        self.state = state or {"epochs": [], "selected": None}

    def on_epoch_end(self, epoch, logs=None):
        entry = self._save(epoch + 1)
        # Of what can be shipped only.
        students = self.model.method.student_parts()
        best = float(max(logs[f"val_{name}/accuracy"] for name in students))
        selected = self.state["selected"]
        if selected is None or best >= selected["accuracy"]:
            selected = self._select(entry, best)
        kept = [*self.state["epochs"], entry][-KEPT:]
        self.state = {"epochs": kept, "selected": selected}
        write_json(self.folder.checkpoints / "state.json", self.state)
        named = {entry["file"] for entry in [*kept, selected]}
        for path in self.folder.checkpoints.glob("*.weights.h5"):
            if path.name not in named:
                path.unlink()

    def _save(self, epoch):
        path = self.folder.checkpoints / f"epoch_{epoch:04d}.weights.h5"
        write_atomically(path, self.model.save_weights)
        return {
            "epoch": epoch,
            "file": path.name,
            "sha256": checksum(path),
            "random_states": [
                keras.ops.convert_to_numpy(variable).tolist()
                for variable in random_states(self.model)
            ],
        }

    def _select(self, entry, accuracy):
        name = f"selected_{entry['epoch']:04d}.weights.h5"
        source = self.folder.checkpoints / entry["file"]
        write_atomically(
            self.folder.checkpoints / name,
            lambda part: shutil.copyfile(source, part),
        )
        return {**entry, "file": name, "accuracy": accuracy}


def restore(folder, distiller, say):
    """Loads the last intact checkpoint of a run.

    Args:
        folder: The `RunFolder`.
        distiller: Built and compiled like when the checkpoint was written.
        say: Function that takes a line for the user.

    Returns:
        `(epochs done, state)`; `(0, None)` if there is no checkpoint.

    Raises:
        UserError: If there are checkpoints but none is intact.
    """
    if not (folder.checkpoints / "state.json").exists():
        say(f"no checkpoint in {folder.path}: starting from the beginning")
        return 0, None
    state = _read_state(folder)
    for entry in reversed(state["epochs"]):
        path = _inside(folder, entry)
        if not _intact(folder, entry):
            say(f"checkpoint {path} is damaged: trying the one before it")
            continue
        distiller.load_weights(path)
        states = entry["random_states"]
        for variable, value in zip(
            random_states(distiller), states, strict=True
        ):
            variable.assign(np.asarray(value, "uint32"))
        say(f"resuming after epoch {entry['epoch']}")
        known = [e for e in state["epochs"] if e["epoch"] <= entry["epoch"]]
        selected = state["selected"]
        if selected and (
            selected["epoch"] > entry["epoch"] or not _intact(folder, selected)
        ):
            say("the epoch preferred so far is lost: choosing anew from here")
            selected = None
        return entry["epoch"], {"epochs": known, "selected": selected}
    raise UserError(
        f"{folder.checkpoints} must hold an intact checkpoint, but all are "
        "damaged: start a new run."
    )


def _read_state(folder):
    """Returns the contents of `state.json`, every entry complete."""
    path = folder.checkpoints / "state.json"
    state = folder.read_json(path)
    try:
        entries = [*state["epochs"], state["selected"]]
        complete = all(set(e) >= ENTRY for e in entries if e is not None)
    except (KeyError, TypeError):
        complete = False
    if not complete:
        raise UserError(
            f"{path} must be the state of a run's checkpoints, but is not: "
            "start a new run."
        )
    return state


def _inside(folder, entry):
    """Returns the path of an entry's file, which lies in the folder."""
    return folder.checkpoints / pathlib.PurePath(entry["file"]).name


def _intact(folder, entry):
    path = _inside(folder, entry)
    return path.is_file() and checksum(path) == entry["sha256"]


def load_selected(folder, distiller, state):
    """Loads the weights of the epoch that validation preferred.

    Returns:
        The 1-based epoch; None, and nothing is loaded, if the file is damaged.
    """
    selected = state["selected"]
    if selected is None or not _intact(folder, selected):
        return None
    distiller.load_weights(_inside(folder, selected))
    return selected["epoch"]


def random_states(model):
    """Returns the states of a model's random generators.

    Keras saves them in no file; they are the variables that are neither
    weights nor metrics.
    """
    others = {id(v) for v in [*model.weights, *model.metrics_variables]}
    return [v for v in model.non_trainable_variables if id(v) not in others]


def checksum(path):
    """Returns the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
