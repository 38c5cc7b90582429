"""Trainings that SIGKILL ends and `--resume` goes on with.

The campaign: `KILLS=50 KERAS_BACKEND=jax pytest tests/journeys/test_kills.py`.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import zipfile

import h5py
import pytest

TRAIN = pathlib.Path(__file__).parents[2] / "scripts" / "train.py"
FLAGS = (
    *("--dataset", "digits", "--network_a", "resnet8", "--network_b", "none"),
    *("--method", "pcl", "--branches", "2", "--epochs", "2"),
)
# One thread, so that sums keep their order.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)


def start(run, minutes_between_checkpoints="0.005"):
    command = [sys.executable, TRAIN, *FLAGS, "--run_dir", run, "--resume"]
    with open(run.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(
            [*command, "--checkpoint_minutes", minutes_between_checkpoints],
            env={**os.environ, **ONE_THREAD},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def finish(run):
    """Trains until the end; returns the seconds it took."""
    began = time.monotonic()
    assert start(run).wait(600) == 0, run.with_suffix(".log").read_text()
    return time.monotonic() - began


def kill_once(run, in_a_write, seconds, rng):
    """Returns whether the training was killed, not done before.

    Every second kill waits for a checkpoint and falls into its writing.
    """
    process = start(run, rng.choice(("0.005", "10")))
    end = time.monotonic() + rng.uniform(0, seconds)
    while process.poll() is None:
        if in_a_write and any(run.glob("checkpoints/.part-*")):
            time.sleep(rng.uniform(0, 0.03))
            break
        if not in_a_write and time.monotonic() >= end:
            break
        time.sleep(0.0005)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL
    assert process.returncode == 0, run.with_suffix(".log").read_text()
    return False


def end_of(run):
    """Returns all that a run ends with, without its seconds."""
    found = {}
    for path in sorted((run / "models").glob("*.keras")):
        with (
            zipfile.ZipFile(path) as archive,
            archive.open("model.weights.h5") as file,
            h5py.File(file) as weights,
        ):

            def take(name, item, prefix=path.name):
                if isinstance(item, h5py.Dataset):
                    found[f"{prefix} {name}"] = item[()].tobytes()

            weights.visititems(take)
    assert found
    result = json.loads((run / "result.json").read_text("utf-8"))
    for key in ("validation", "test", "best_student", "selected_epoch"):
        found[key] = result[key]
    rows = (run / "history.csv").read_text("utf-8").splitlines()
    at = rows[0].split(",").index("seconds")
    cells = [row.split(",") for row in rows]
    return {**found, "history": [row[:at] + row[at + 1 :] for row in cells]}


@pytest.mark.once
@pytest.mark.several
def test_killed_trainings_end_like_a_whole_one(tmp_path, monkeypatch):
    if "KILLS" not in os.environ:
        # It begins soonest, and a kill costs a beginning.
        pytest.importorskip("torch")
        monkeypatch.setenv("KERAS_BACKEND", "torch")
    seconds = finish(tmp_path / "whole")
    expected = end_of(tmp_path / "whole")
    rng, killed, number = random.Random(0), 0, 0
    while killed < int(os.environ.get("KILLS", 2)):
        run = tmp_path / f"killed-{number}"
        if kill_once(run, killed % 2 == 1, seconds, rng):
            killed += 1
        else:
            assert end_of(run) == expected
            number += 1
    finish(run)
    assert end_of(run) == expected
