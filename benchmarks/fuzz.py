"""Gives every reader thousands of hostile inputs, and watches what they do.

    KERAS_BACKEND=torch python benchmarks/fuzz.py [--inputs 10000] [--seed 0]
        [--readers npz,pictures] [--findings FOLDER]
    KERAS_BACKEND=torch python benchmarks/fuzz.py --replay FOLDER/npz-17

An input is made from a valid one: cut off, with bits turned, fields of another
type, huge numbers, deep nesting, headers that declare enormous arrays, paths
that lead elsewhere (`fuzzing/`, one file a room). A reader must take it or
refuse it in one line. Anything else is a finding: another exception, more than
1 s (measured twice), a process that grows by more than 500 MB or dies. Each
reader works in a process of its own; input N of a seed is always the same.
Prints a line a reader and keeps a record; the first inputs of each kind of
finding are kept, too. Ends with 1 if there was one.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from fuzzing import guard
from fuzzing.readers import READERS
from steps.record import keep

ROOT = pathlib.Path(__file__).parents[1]
SECONDS_BETWEEN_SIGNS = 5
KEPT_OF_A_KIND = 2
WARM_UP = 3


def work(name, seed, first, inputs, place, findings):
    """Reads inputs in this process; prints a JSON line for what happens."""
    reader = READERS[name]
    folder = place / name
    # What is imported and cached at the first use is not an input's.
    for warm in range(WARM_UP):
        _once(reader, random.Random(f"warm {warm}"), folder)
    guard.limit_memory()
    counts, kinds = collections.Counter(), collections.Counter()
    slowest = most = 0.0
    told = time.monotonic()

    def say(done, **more):
        row = {"done": done, **counts, "slowest_ms": round(slowest * 1000)}
        print(json.dumps({**row, "peak_mb": round(most), **more}), flush=True)

    for number in range(first, inputs):
        (place / "at").write_text(str(number))
        outcome = _once(reader, random.Random(f"{seed} {number}"), folder)
        if outcome.kind != "finding" and outcome.seconds > guard.MOST_SECONDS:
            again = guard.watch(reader, folder)
            outcome.seconds = min(outcome.seconds, again.seconds)
            if outcome.seconds > guard.MOST_SECONDS:
                outcome.kind = "finding"
                outcome.where = f"more than {guard.MOST_SECONDS:g} s"
        counts[outcome.kind] += 1
        slowest = max(slowest, outcome.seconds)
        most = max(most, outcome.megabytes)
        if outcome.kind == "finding":
            kinds[outcome.where] += 1
            if kinds[outcome.where] <= KEPT_OF_A_KIND:
                _save(folder, findings / f"{name}-{number}", outcome)
                say(number + 1, found=outcome.where)
        if time.monotonic() - told > SECONDS_BETWEEN_SIGNS:
            told = time.monotonic()
            say(number + 1)
    say(inputs, kinds=kinds)


def _once(reader, rng, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    reader.make(rng, folder)
    return guard.watch(reader, folder)


def _save(folder, target, outcome):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, symlinks=True, copy_function=_copy)
    text = f"{outcome.where}\n{outcome.detail}\n"
    target.with_suffix(".txt").write_text(text, "utf-8", "backslashreplace")


def _copy(source, target):
    """Copies a file; a pipe has no content, and waits for a writer."""
    if os.path.isfile(source):
        shutil.copyfile(source, target)


def campaign(name, options, place):
    """Returns the row of one reader, whose workers may die."""
    row = collections.Counter()
    kinds, first = collections.Counter(), 0
    slowest = most = 0
    while first < options.inputs:
        last, code = _work_apart(name, options, place, first)
        for kind in ("accepted", "refused"):
            row[kind] += last.get(kind, 0)
        slowest = max(slowest, last.get("slowest_ms", 0))
        most = max(most, last.get("peak_mb", 0))
        kinds.update(last.get("kinds", {}))
        first = last["done"]
        if code != 0:
            at = int((place / "at").read_text())
            where = f"the process died with {code}"
            kinds[where] += 1
            outcome = guard.Outcome("finding", where=where)
            _save(place / name, options.findings / f"{name}-{at}", outcome)
            first = at + 1
    return {
        "reader": name,
        "inputs": options.inputs,
        **{kind: row[kind] for kind in ("accepted", "refused")},
        "slowest_ms": slowest,
        "peak_mb": most,
        "findings": dict(kinds),
    }


def _work_apart(name, options, place, first):
    """Returns what a worker said last, and its exit code."""
    with (
        open(place / "stderr.txt", "w+", encoding="utf-8") as errors,
        subprocess.Popen(
            [
                *(sys.executable, __file__, "--worker", name),
                *("--first", str(first), "--inputs", str(options.inputs)),
                *("--seed", str(options.seed), "--work", str(place)),
                *("--findings", str(options.findings)),
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        last = {"done": first}
        for line in process.stdout:
            if line[:1] == "{":
                last = json.loads(line)
                print(f"{name}: {line.strip()}", flush=True)
        if process.wait() == 1:
            # Not a reader's fault: an input could not be made.
            errors.seek(0)
            raise SystemExit(errors.read())
    return last, process.returncode


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--inputs", type=int, default=10_000, help="a reader")
    parser.add_argument("--readers", default=",".join(READERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--findings", type=pathlib.Path, default="fuzz-findings"
    )
    parser.add_argument("--replay", help="folder of a finding")
    parser.add_argument(
        "--out", help="folder of records", default=ROOT / "benchmarks/results"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(
            *(options.worker, options.seed, options.first, options.inputs),
            *(options.work, options.findings),
        )
        return 0
    if options.replay:
        folder = pathlib.Path(options.replay)
        print(guard.watch(READERS[folder.name.split("-")[0]], folder))
        return 0
    rows, began = [], time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        for name in options.readers.split(","):
            rows.append(campaign(name, options, pathlib.Path(place)))
            print(json.dumps(rows[-1]), flush=True)
    seconds = round(time.monotonic() - began)
    found = {"seed": options.seed, "seconds": seconds, "rows": rows}
    print(f"record: {keep(found, options.out, 'fuzz')}")
    return 1 if any(row["findings"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
