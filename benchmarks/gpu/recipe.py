"""The whole CIFAR-100 recipe by `scripts/train.py`, a slice at a time.

A slice begins or resumes the run in `OUT/recipe` and, when the call's time is
nearly over, interrupts it: its last complete epoch is on disk.
"""

import csv
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

from part import COULD_NOT_RUN
from part import DONE
from part import FAILED
from part import ROOT
from part import UNFINISHED
from part import begin_part

RECIPE = {
    "dataset": "cifar100",
    "network_a": "resnet110_bottleneck",
    "network_b": "resnet56_bottleneck",
    "branches": 3,
    "epochs": 300,
    "batch_size": 128,
    "precision": "mixed_bfloat16",
}
TINY = {
    "dataset": "npz",
    "network_a": "resnet8",
    "network_b": "resnet8",
    "branches": 2,
    # Enough that an interrupt after the first one finds some left, however busy
    # the machine is.
    "epochs": 24,
    "batch_size": 8,
}
# A training takes notice of an interrupt between two steps.
ENDING_SECONDS = 20
MOVABLE_MEGABYTES = 16
# By the command itself, by Python before it began, by force.
INTERRUPTED = (130, -signal.SIGINT, -signal.SIGKILL)


def run(call, report):
    if not report.begin(["recipe"]):
        return
    out = report.path.parent
    data = tiny_data(out) if call.dry_run else call.data
    if not call.running:
        reasons = "; ".join(dict.fromkeys(call.backends.values()))
        report.put("recipe", COULD_NOT_RUN, reasons)
        return
    if not data:
        reason = "no images: say with --data where CIFAR-100 is"
        report.put("recipe", COULD_NOT_RUN, reason)
        return
    recipe = {
        **(TINY if call.dry_run else RECIPE),
        "data_dir": linked(pathlib.Path(data), out),
        "backend": call.running[0],
    }
    slices = report.items["recipe"].get("slices", [])
    while train_slice(call, report, recipe, slices) and call.dry_run:
        # A rehearsal goes on, to see that what was interrupted resumes.
        continue


def train_slice(call, report, recipe, slices):
    """Trains until the run is over or must be interrupted, and reports.

    Returns:
        Whether there is more to train.
    """
    run_dir = report.path.parent / "recipe"
    before, began = epochs_done(run_dir), time.monotonic()

    def must_end():
        if call.dry_run:
            return before == 0 and epochs_done(run_dir) > 0
        return call.seconds_left < ENDING_SECONDS

    code = train(train_command(run_dir, recipe), run_dir.parent, must_end)
    slices.append(
        {
            "epochs": epochs_done(run_dir) - before,
            "seconds": round(time.monotonic() - began, 1),
        }
    )
    outcome, line = tell(run_dir, recipe["epochs"], slices)
    if code not in (0, None):
        outcome = FAILED
        last = report.path.with_suffix(".log").read_text("utf-8", "replace")
        line = f"train.py ended with {code}: {last.strip().splitlines()[-1]}"
    report.put("recipe", outcome, line, slices=slices, large=large(run_dir))
    return outcome == UNFINISHED


def train_command(run_dir, recipe):
    """Returns the command that begins or resumes the run.

    A resumed run keeps its settings; paths are relative to the folder of all
    results, which may have moved.
    """
    command = [sys.executable, str(ROOT / "scripts" / "train.py")]
    if (run_dir / "config.json").exists():
        return [*command, "--run_dir", run_dir.name, "--resume"]
    flags = {**recipe, "run_dir": run_dir.name}
    return [*command, *(f"--{name}={value}" for name, value in flags.items())]


def train(command, folder, must_end):
    """Runs a training until it ends or has to.

    Returns:
        Its exit code, None if it was interrupted before its end.
    """
    print(" ".join(command), flush=True)
    process = subprocess.Popen(command, cwd=folder)
    while process.poll() is None:
        if must_end():
            process.send_signal(signal.SIGINT)
            try:
                process.wait(ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            break
        time.sleep(0.1)
    code = process.returncode
    return None if code in INTERRUPTED else code


def epochs_done(run_dir):
    """Returns how many epochs the run's checkpoints hold."""
    try:
        text = (run_dir / "checkpoints" / "state.json").read_text("utf-8")
    except FileNotFoundError:
        return 0
    checkpoints = json.loads(text)["epochs"]
    return checkpoints[-1]["epoch"] if checkpoints else 0


def tell(run_dir, epochs, slices):
    """Returns outcome and line of a run between two slices, or at its end."""
    done = epochs_done(run_dir)
    if not done:
        return (
            UNFINISHED,
            "no epoch ended in the time there was: more --minutes",
        )
    with open(run_dir / "history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:done]
    seconds = [float(row["seconds"]) for row in rows]
    # The first epoch holds the compilation.
    usual = statistics.median(seconds[1:] or seconds)
    pace = f"{usual:.2f} s an epoch"
    if len(seconds) == 1:
        pace += ", compilation included"
    if (run_dir / "result.json").exists():
        result = json.loads((run_dir / "result.json").read_text("utf-8"))
        best = result["best_student"]
        spent = sum(part["seconds"] for part in slices) / 60
        return DONE, (
            f"{epochs} epochs in {spent:.1f} min, starts included, and "
            f"{len(slices)} slice{'s' * (len(slices) > 1)}; {pace}; "
            f"{best}: accuracy "
            f"{result['validation'][best]:.4f} on validation, "
            f"{result['test'][best]:.4f} on test"
        )
    accuracy, student = best_on_validation(rows[-1])
    return UNFINISHED, (
        f"epoch {done} of {epochs}; {pace}; {student}: accuracy {accuracy:.4f} "
        f"on validation; {epochs} epochs take {epochs * usual / 60:.1f} min, "
        "starts not included"
    )


def best_on_validation(row):
    """Returns `(accuracy, student)` of a row of `history.csv`."""
    head, tail = "val_", "/accuracy"
    return max(
        (float(value), name[len(head) : -len(tail)])
        for name, value in row.items()
        if name.startswith(head) and name.endswith(tail)
    )


def large(run_dir):
    """Returns the run's files that are larger than 16 MiB, with their size."""
    sizes = {
        str(path.relative_to(run_dir)): round(path.stat().st_size / 2**20, 1)
        for path in sorted(run_dir.rglob("*"))
        if path.is_file()
    }
    return {name: n for name, n in sizes.items() if n > MOVABLE_MEGABYTES}


def linked(data, out):
    """Returns where the images are, relative to the folder of all results."""
    link = out / "data" / data.name
    link.parent.mkdir(exist_ok=True)
    if data.resolve() != link.resolve():
        link.unlink(missing_ok=True)
        link.symlink_to(data.resolve())
    return os.path.relpath(link, out)


def tiny_data(out):
    """Returns a file of random images, written once."""
    import numpy as np

    path = out / "tiny.npz"
    if not path.exists():
        rng = np.random.default_rng(0)
        arrays = {}
        for part, count in (("train", 200), ("val", 20), ("test", 20)):
            shape = (count, 8, 8, 3)
            arrays[f"x_{part}"] = rng.integers(0, 256, shape, "uint8")
            arrays[f"y_{part}"] = np.arange(count, dtype="int32") % 3
        np.savez(path, **arrays)
    return path


if __name__ == "__main__":
    begin_part("recipe", run)
