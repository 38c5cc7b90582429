"""What a part of the kit is told, and how it reports."""

import dataclasses
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

FAILED = "failed"
UNFINISHED = "unfinished"
COULD_NOT_RUN = "could not run"
DONE = "done"


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of the kit.

    Attributes:
        out: Folder of all results, absolute.
        data: What `train.py` takes as `--data_dir`, or None.
        student: An exported ONNX file, or None.
        backends: Dict from `"jax"`, `"torch"` to why it cannot run, `""` if
            it can.
        deadline: When the call must be over, seconds since the epoch.
        dry_run: Whether everything is tiny and on the CPU.
    """

    out: str
    data: str | None
    student: str | None
    backends: dict
    deadline: float
    dry_run: bool

    @property
    def seconds_left(self):
        return self.deadline - time.time()

    @property
    def running(self):
        """The backends that can run."""
        return [name for name, reason in self.backends.items() if not reason]


class Report:
    """`OUT/PART.json`: how each item of a part went, over all calls.

    Args:
        out: Folder of all results.
        part: Name of the part.

    Attributes:
        items: Dict from name to a dict with `outcome`, `line` and figures.
    """

    def __init__(self, out, part):
        self.path = pathlib.Path(out) / f"{part}.json"
        self.items = {}
        if self.path.exists():
            self.items = json.loads(self.path.read_text("utf-8"))

    def begin(self, names):
        """Returns those of the items that are not done yet.

        Whatever else was not done belongs to another call and is dropped.
        """
        earlier = self.items
        self.items = {n: e for n, e in earlier.items() if e["outcome"] == DONE}
        todo = [name for name in names if name not in self.items]
        for name in todo:
            self.items[name] = {
                **earlier.get(name, {}),
                "outcome": UNFINISHED,
                "line": "no time was left for it",
            }
        write_json(self.path, self.items)
        return todo

    def put(self, name, outcome, line, **figures):
        """Keeps how an item went; figures of before stay unless given anew."""
        known = self.items.get(name, {})
        told = {"outcome": outcome, "line": line}
        self.items[name] = {**known, **told, **figures}
        write_json(self.path, self.items)
        print(f"{name}: {outcome}: {line}", flush=True)


def write_json(path, value):
    """Writes a JSON file that is whole or not there.

    `keras_css.runs.folder` does the same, but needs Keras, which may be
    missing here.
    """
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
    os.replace(part, path)


def begin_part(name, run):
    """Runs a part in its own process: `PART.py CALL`, the call as JSON."""
    call = Call(**json.loads(sys.argv[1]))
    # Records name the command that was given, not this process.
    sys.argv = ["benchmarks/gpu/run.py", "--parts", name]
    run(call, Report(call.out, name))
