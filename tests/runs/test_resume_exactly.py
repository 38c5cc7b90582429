"""A resumed run is the uninterrupted one, bit for bit, on every backend.

One thread computes, in a process of its own, and TensorFlow is deterministic,
so that sums keep their order: nothing is left to a tolerance.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import keras
import numpy as np
import pytest
import tiny
from exactly import EXACTLY

from keras_css import SGD
from keras_css import OnlineDistiller
from keras_css import WarmupMultiStep
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import PadAndCrop
from keras_css.data.batches import EvaluationBatches
from keras_css.data.batches import Shuffle
from keras_css.data.batches import TrainingBatches
from keras_css.methods import SSKD
from keras_css.methods import ChannelDistillation
from keras_css.runs.checkpoints import Checkpoints
from keras_css.runs.checkpoints import MetricsSoFar
from keras_css.runs.checkpoints import random_states
from keras_css.runs.checkpoints import restore
from keras_css.runs.folder import RunFolder
from keras_css.runs.history import History
from keras_css.training import ReEstimatedStatistics
from keras_css.training.seed import set_seed

STEPS, EPOCHS = 4, 2
OPTIMIZERS = {
    "css": lambda: SGD(
        WarmupMultiStep(0.05, STEPS, warmup_epochs=1, milestones=(2,)),
        momentum=0.9,
        weight_decay=5e-4,
    ),
    "sskd": lambda: SGD(0.05, momentum=0.9, weight_decay=5e-4),
    "channel_distillation": lambda: keras.optimizers.Adam(0.01),
}
TAUGHT = {
    "sskd": lambda: SSKD(module_epochs=1),
    "channel_distillation": lambda: ChannelDistillation(
        alone_epochs=1, decay_at="2"
    ),
}
# An optimizer that lost its state must be noticed.
CASES = {
    "css": ("resumed", "spoiled"),
    "sskd": ("resumed",),
    "channel_distillation": ("resumed",),
}
# Epochs done and steps of the next: within an epoch, of SSKD's stage 1, and
# between two epochs.
STOPS = {"css": (1, 2), "sskd": (0, 2), "channel_distillation": (1, 0)}


class StopAt(keras.callbacks.Callback):
    """Ends a training as a kill does, after some steps of an epoch."""

    def __init__(self, epoch, step):
        super().__init__()
        self.place = (epoch, step)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self._end_after(0)

    def on_train_batch_end(self, batch, logs=None):
        self._end_after(batch + 1)

    def _end_after(self, steps):
        if (self.epoch, steps) == self.place:
            raise InterruptedError


class Run:
    """A training with checkpoints after each step, begun or resumed."""

    def __init__(self, name, folder, seed=0):
        set_seed(2)
        method, branches, teachers, count = name, {}, [], 2
        if name in TAUGHT:
            method = TAUGHT[name]()
            teachers, count = tiny.teachers(method), 1
            branches = method.network_defaults
        set_seed(seed)
        self.folder = RunFolder(folder)
        folder.mkdir(exist_ok=True)
        self.folder.make_rooms()
        self.distiller = OnlineDistiller(
            [tiny.network(**branches) for _ in range(count)],
            method=method,
            teachers=teachers,
            augmentation=Augmentation([PadAndCrop(1)]),
            average_weights=0.9,
        )
        self.distiller.compile(OPTIMIZERS[name]())
        self.distiller.build((None, 8, 8, 1))
        self.distiller.optimizer.build(self.distiller.trainable_variables)
        self.batches = TrainingBatches(
            tiny.split(8 * STEPS),
            8,
            seed=0,
            num_draws=self.distiller.views.num_draws,
        )
        self.rows = []

    def train(self, entries=(), *others):
        """Trains to the end, or from a checkpoint's place to it."""
        last = entries[-1] if entries else {"epoch": 0, "step": 0}
        history = History(self.folder, last["epoch"])
        saved = Checkpoints(self.folder, history, list(entries), minutes=0)
        done = last["epoch"]
        if last["step"]:
            self.batches.begin_at(last["step"])
            self._fit(done, done + 1, MetricsSoFar(last), history, saved)
            self.batches.begin_at(0)
            done += 1
        if done < EPOCHS:
            self._fit(done, EPOCHS, history, saved, *others)
        self.rows = history.rows

    def _fit(self, first, end, *callbacks):
        self.distiller.fit(
            self.batches,
            shuffle=False,
            initial_epoch=first,
            epochs=end,
            validation_data=EvaluationBatches(tiny.split(12), 6),
            callbacks=[
                Shuffle(self.batches),
                # As `train` has it, for validation and the end.
                ReEstimatedStatistics(self.batches),
                *callbacks,
            ],
            verbose=0,
        )

    def state(self):
        """Returns dict from names to all that the run ends with."""
        model = self.distiller
        parts = {
            "weight": model.weights,
            "optimizer": model.optimizer.variables,
            "generator": random_states(model),
        }
        found = {
            f"{part} {place}": np.array(keras.ops.convert_to_numpy(variable))
            for part, variables in parts.items()
            for place, variable in enumerate(variables)
        }
        for row in self.rows:
            for name, value in row.items():
                if name != "seconds":
                    found[f"history {row['epoch']} {name}"] = np.array(value)
        return found


def differences(one, other):
    """Returns the names of what is not equal, bit for bit."""
    return sorted(
        name
        for name in one.keys() | other.keys()
        if name not in one
        or name not in other
        or not np.array_equal(one[name], other[name])
    )


def moments(optimizer):
    """Returns the variables of an optimizer that follow the weights."""
    return [v for v in optimizer.variables if len(v.shape)]


def compare(method, work):
    """Returns what differs from a whole run in runs that were interrupted."""
    whole = Run(method, work / "whole")
    whole.train()
    expected = whole.state()
    found = {"variables": len(expected)}
    killed = Run(method, work / "killed")
    with pytest.raises(InterruptedError):
        killed.train((), StopAt(*STOPS[method]))
    for case in CASES[method]:
        copy = work / case
        shutil.copytree(work / "killed", copy)
        # Nothing may come from anywhere but the checkpoint.
        resumed = Run(method, copy, seed=1)
        entries = restore(resumed.folder, resumed.distiller, print)
        found["from"] = [entries[-1]["epoch"], entries[-1]["step"]]
        if case == "spoiled":
            for variable in moments(resumed.distiller.optimizer):
                variable.assign(np.zeros(variable.shape))
        resumed.train(entries)
        found[case] = differences(expected, resumed.state())
    return found


@pytest.mark.parametrize(
    # SGD's step is of each backend's own, Keras' Adam is not.
    "method",
    ["css", *(pytest.param(name, marks=pytest.mark.once) for name in TAUGHT)],
)
def test_a_resumed_run_ends_like_a_whole_one(method):
    done = subprocess.run(
        [sys.executable, __file__, method],
        env={
            **os.environ,
            **EXACTLY,
            "KERAS_BACKEND": keras.backend.backend(),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["variables"] > 40
    assert found["from"] == list(STOPS[method])
    assert found["resumed"] == []
    if "spoiled" in CASES[method]:
        # In weights, too.
        for part in ("optimizer", "weight"):
            assert any(name.startswith(part) for name in found["spoiled"])


def main(method):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        print(json.dumps(compare(method, pathlib.Path(work))))


if __name__ == "__main__":
    main(sys.argv[1])
