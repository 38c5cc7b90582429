"""What checkpoints cost, at the sizes of the CIFAR-100 recipe.

    KERAS_BACKEND=torch python benchmarks/checkpoint_cost.py [--steps 3]

Times training steps of the recipe's cohort on random images, then a
checkpoint as a run writes it (weights, optimizer, checksum, synced, and the
weights of the epoch validation prefers), and prints both and the share of an
epoch of 351 steps that one checkpoint at its end takes. Where that is above
2 %, runs save fewer epochs (`keras_css.runs.checkpoints.SHARE`); what then
remains in each, copying preferred weights to the host, is timed by itself.
Keeps a record.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

import keras
import numpy as np
from steps.record import keep

from keras_css import SGD
from keras_css import MultiBranchNetwork
from keras_css import OnlineDistiller
from keras_css.methods import CSS
from keras_css.runs.checkpoints import Checkpoints
from keras_css.runs.folder import RunFolder
from keras_css.runs.history import History

BATCH, CLASSES, STEPS_OF_AN_EPOCH = 128, 100, 351


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--networks", default="resnet110_bottleneck,resnet56_bottleneck"
    )
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--saves", type=int, default=7)
    parser.add_argument(
        "--out", default=pathlib.Path(__file__).parent / "results"
    )
    options = parser.parse_args()
    distiller = OnlineDistiller(
        [
            MultiBranchNetwork(name, CLASSES, main_branch=True)
            for name in options.networks.split(",")
        ],
        CSS(variant="main_branch"),
    )
    distiller.compile(SGD(0.1, momentum=0.9, weight_decay=5e-4))
    rng = np.random.default_rng(0)
    images = rng.normal(size=(BATCH, 32, 32, 3)).astype("float32")
    labels = rng.integers(0, CLASSES, BATCH)
    seconds = []
    for _ in range(options.steps + 1):
        began = time.perf_counter()
        distiller.train_on_batch(images, labels)
        seconds.append(time.perf_counter() - began)
    step = statistics.median(seconds[1:])
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(place)
        saves = time_epoch_ends(distiller, folder, options.saves, minutes=0)
        copies = time_epoch_ends(distiller, folder, options.saves, minutes=10)
    save = statistics.median(saves)
    row = {
        "backend": keras.backend.backend(),
        "networks": options.networks,
        "step_seconds": round(step, 3),
        "checkpoint_seconds": [round(s, 3) for s in saves],
        "preferred_weights_seconds": [round(s, 3) for s in copies],
        "share_of_an_epoch": save / (save + STEPS_OF_AN_EPOCH * step),
    }
    print(row)
    print(f"record: {keep({'rows': [row]}, options.out, 'checkpoint_cost')}")


def time_epoch_ends(distiller, folder, count, minutes):
    """Returns the seconds of each of some ends of epochs.

    With `minutes=0` each is a checkpoint; else none is, for they are as dear as
    can be.
    """
    folder.make_rooms()
    saved = Checkpoints(folder, History(folder), minutes=minutes)
    saved.set_model(distiller)
    saved.set_params({"epochs": count + 1, "steps": STEPS_OF_AN_EPOCH})
    saved.on_train_begin()
    saved.save_seconds = float("inf")
    logs = {
        f"val_{name}/accuracy": 0.5 for name in distiller.method.student_parts()
    }
    seconds = []
    for epoch in range(count):
        saved.on_epoch_begin(epoch)
        began = time.perf_counter()
        saved.on_epoch_end(epoch, logs)
        seconds.append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
