"""Kills trainings at random instants and compares what they end with.

    python benchmarks/faults.py [--kills 50] [--backends jax,torch]
        [--methods css,okddip,pcl] [--epochs 6] [--work FOLDER]

For each backend and method: one training that nothing interrupts, and
trainings that SIGKILL ends again and again, each resumed until it is complete.
Every second kill waits for a checkpoint to be written and falls into the write.
Checkpoints come every third of a second or as they do by default, by chance.
A resume must never refuse the folder, and the end must be the uninterrupted
run's: weights bit for bit, history but for its seconds, accuracies. One thread
computes, so that sums keep their order. Prints a line for each backend and
method and keeps a record; ends with 1 if one differed.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

import h5py
import numpy as np
from steps.record import keep

ROOT = pathlib.Path(__file__).parents[1]
TRAIN = (sys.executable, str(ROOT / "scripts" / "train.py"))
# Between checkpoints: a third of a second, and what runs take by default, where
# only ends of epochs are saved that are cheap enough.
MINUTES_BETWEEN = ("0.005", "10")
MOST_SECONDS = 900
IN_A_WRITE = 0.03


class Campaign:
    """One backend and method.

    Args:
        backend: Of Keras.
        method: Of `train.py`.
        epochs: Of each training.
        work: Folder for the runs.
    """

    def __init__(self, backend, method, epochs, work):
        self.flags = (
            *("--recipe", "digits_demo", "--shrink", "--method", method),
            *("--epochs", str(epochs)),
        )
        if method != "css":
            # The recipe's cohort is for CSS.
            self.flags = (
                *("--dataset", "digits", "--network_a", "resnet8"),
                *("--method", method, "--epochs", str(epochs)),
            )
        self.folder = pathlib.Path(work) / f"{backend}-{method}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            **dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1"),
            "TF_NUM_INTEROP_THREADS": "1",
            "JAX_COMPILATION_CACHE_DIR": str(self.folder / "compiled"),
        }

    def start(self, run, minutes=MINUTES_BETWEEN[0]):
        command = [*TRAIN, "--run_dir", str(run), "--resume"]
        command += ["--checkpoint_minutes", minutes]
        if not (run / "config.json").exists():
            command += self.flags
        with open(self.folder / "log.txt", "ab") as log:
            return subprocess.Popen(
                command,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def finish(self, run):
        """Trains until the end; returns the seconds it took."""
        began = time.monotonic()
        code = self.start(run).wait(MOST_SECONDS)
        if code != 0:
            raise SystemExit(
                f"error: {run} ended with {code}: see {self.folder}/log.txt"
            )
        return time.monotonic() - began

    def kill_many(self, kills, seconds, rng):
        """Returns how many kills, of them in writes, and runs that ended."""
        killed, in_writes, number = 0, 0, 0
        finished = []
        run = self.folder / "killed-0"
        while killed < kills:
            wants_write = killed % 2 == 1
            process = self.start(run, rng.choice(MINUTES_BETWEEN))
            end = time.monotonic() + rng.uniform(0, seconds)
            inside = False
            while process.poll() is None and not inside:
                if wants_write:
                    inside = any(run.glob("checkpoints/.part-*"))
                elif time.monotonic() >= end:
                    break
                time.sleep(0.0005)
            if inside:
                time.sleep(rng.uniform(0, IN_A_WRITE))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
                in_writes += inside
                continue
            if process.returncode != 0:
                raise SystemExit(
                    f"error: a resume of {run} ended with "
                    f"{process.returncode}: see {self.folder}/log.txt"
                )
            finished.append(run)
            number += 1
            run = self.folder / f"killed-{number}"
        if run.exists():
            self.finish(run)
            finished.append(run)
        return killed, in_writes, finished


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
                    found[f"{prefix} {name}"] = item[()]

            weights.visititems(take)
    rows = (run / "history.csv").read_text("utf-8").splitlines()
    at = rows[0].split(",").index("seconds")
    for number, row in enumerate(rows):
        cells = row.split(",")
        found[f"history {number}"] = np.array(cells[:at] + cells[at + 1 :])
    result = json.loads((run / "result.json").read_text("utf-8"))
    for name in ("validation", "test", "best_student", "selected_epoch"):
        found[name] = np.array(json.dumps(result[name]))
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


def run_campaign(backend, method, kills, epochs, work, seed):
    """Returns the row of one backend and method."""
    rng = random.Random(f"{seed} {backend} {method}")
    campaign = Campaign(backend, method, epochs, work)
    whole = campaign.folder / "whole"
    campaign.finish(whole)
    # Once more, with compiled programs at hand: is the backend exact?
    again = campaign.folder / "again"
    seconds = campaign.finish(again)
    expected = end_of(whole)
    killed, in_writes, runs = campaign.kill_many(kills, seconds, rng)
    return {
        "backend": backend,
        "method": method,
        "seconds_uninterrupted": round(seconds, 1),
        "repeats_exactly": not differences(expected, end_of(again)),
        "kills": killed,
        "kills_in_checkpoint_writes": in_writes,
        "trainings": len(runs),
        "differing": {
            run.name: found
            for run in runs
            if (found := differences(expected, end_of(run)))
        },
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=50, help="a backend")
    parser.add_argument("--backends", default="jax,torch")
    parser.add_argument("--methods", default="css,okddip,pcl")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", help="folder that keeps the runs")
    parser.add_argument(
        "--out", help="folder of records", default=ROOT / "benchmarks/results"
    )
    options = parser.parse_args()
    methods = options.methods.split(",")
    rows, bad = [], False
    with tempfile.TemporaryDirectory() as temporary:
        for backend in options.backends.split(","):
            for i, method in enumerate(methods):
                # 50 of 3 methods are 17, 17, 16.
                share = len(range(i, options.kills, len(methods)))
                row = run_campaign(
                    *(backend, method, share, options.epochs),
                    *(options.work or temporary, options.seed),
                )
                rows.append(row)
                bad = bad or bool(row["differing"])
                print(json.dumps(row), flush=True)
    path = keep({"rows": rows}, options.out, "faults")
    print(f"record: {path}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
