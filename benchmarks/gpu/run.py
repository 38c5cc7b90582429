"""Everything that needs an NVIDIA GPU, in calls of under ten minutes.

  python benchmarks/gpu/run.py --out OUT --wheels .wheels --data cifar100.npz
  python benchmarks/gpu/run.py --out OUT --dry_run

In this order: correctness (the authors' golden values on JAX and PyTorch),
yardstick (the training step beside plain PyTorch), recipe (CIFAR-100, 300
epochs of ResNet-110 and ResNet-56 with bottlenecks), onnx (an exported student
in ONNX Runtime on CUDA). A call does what its time allows; the next one with
the same --out goes on there and repeats nothing that is done. Each part has a
log in OUT; OUT/summary.json says what ran, what could not, and why. If
correctness fails, nothing else runs. README.md beside this file has the rest.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

from machine import environment  # noqa: E402
from machine import look_at_backends  # noqa: E402
from machine import missing_packages  # noqa: E402
from part import COULD_NOT_RUN  # noqa: E402
from part import DONE  # noqa: E402
from part import FAILED  # noqa: E402
from part import UNFINISHED  # noqa: E402
from part import Call  # noqa: E402
from part import Report  # noqa: E402
from part import write_json  # noqa: E402
from steps.record import machine  # noqa: E402

from keras_css_runtime.errors import UserError  # noqa: E402

PARTS = {
    "correctness": "correctness.py",
    "yardstick": "yardstick.py",
    "recipe": "recipe.py",
    "onnx": "student.py",
}
BACKENDS = ("jax", "torch")
# A part ends by itself before the call's time is over; else it is killed.
GRACE_SECONDS = 5
FEWEST_SECONDS = 30
NOT_DONE = (UNFINISHED, COULD_NOT_RUN, FAILED)


def main(arguments=None):
    flags = parse(arguments)
    try:
        return run(flags)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=pathlib.Path, required=True, help="folder of results")
    add("--data", type=pathlib.Path, help="CIFAR-100: .npz, or its own folder")
    add("--wheels", type=pathlib.Path, help="folder of wheels to install")
    add("--student", type=pathlib.Path, help="an exported ONNX file")
    add("--minutes", type=float, default=9.0, help="of a call (default: 9)")
    add("--parts", default=",".join(PARTS), help="default: %(default)s")
    add("--backends", default=",".join(BACKENDS), help="default: %(default)s")
    add("--dry_run", action="store_true", help="all parts, tiny, on the CPU")
    flags = parser.parse_args(arguments)
    for name, known in (("parts", PARTS), ("backends", BACKENDS)):
        received = getattr(flags, name).split(",")
        if not set(received) <= set(known):
            parser.error(
                f"--{name} must be of {','.join(known)}, received "
                f"{getattr(flags, name)}"
            )
        setattr(flags, name, [n for n in known if n in received])
    return flags


def run(flags):
    """Runs the parts; returns the exit code, 1 if something failed."""
    deadline = time.time() + 60 * flags.minutes
    for name in ("data", "student"):
        path = getattr(flags, name)
        if path and not path.exists():
            raise UserError(f"--{name} must exist, but '{path}' does not.")
    out = flags.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    variables = environment(out, flags.wheels)
    backends = look_at_backends(flags.backends, variables, flags.dry_run)
    if not flags.dry_run and all(backends.values()):
        raise UserError(
            "The kit needs an NVIDIA GPU, but there is none "
            f"({'; '.join(backends.values())}): use a machine that has one, or "
            "rehearse with --dry_run."
        )
    call = Call(
        out=str(out),
        data=str(flags.data.resolve()) if flags.data else None,
        student=str(flags.student.resolve()) if flags.student else None,
        backends=backends,
        deadline=deadline,
        dry_run=flags.dry_run,
    )
    for part in flags.parts:
        run_part(part, call, variables)
        parts = {name: Report(out, name).items for name in PARTS}
        summary = {"machine": machine(), "backends": backends, "parts": parts}
        write_json(out / "summary.json", summary)
    return show({part: parts[part] for part in flags.parts})


def run_part(part, call, variables):
    """Runs a part in a process of its own, until the call's time is over."""
    report = Report(call.out, part)
    if report.items.get(part, {}).get("outcome") == DONE:
        return
    if call.seconds_left < FEWEST_SECONDS:
        report.put(part, UNFINISHED, "no time was left for it")
        return
    reason = obstacle(part, call, variables)
    if reason:
        report.put(part, COULD_NOT_RUN, reason)
        return
    log = pathlib.Path(call.out) / f"{part}.log"
    print(f"{part}: its log is {log}", flush=True)
    with open(log, "ab") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, str(HERE / PARTS[part])),
                json.dumps(dataclasses.asdict(call)),
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,
        )
        try:
            code = process.wait(call.seconds_left + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            code = 0
        finally:
            end_all(process)
    if code != 0:
        last = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
        line = f"its process ended with {code}: {''.join(last)}"
        Report(call.out, part).put(part, FAILED, line)


def obstacle(part, call, variables):
    """Returns why a part cannot run, or None."""
    golden = Report(call.out, "correctness").items.values()
    if part != "correctness" and FAILED in [i["outcome"] for i in golden]:
        return "correctness failed: figures of wrong steps say nothing"
    missing = missing_packages(part, variables)
    if missing:
        return (
            f"it needs {', '.join(missing)}: put their wheels into a folder "
            "and give it as --wheels"
        )
    return None


def end_all(process):
    """Ends a part and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def show(parts):
    """Prints how everything went; returns the exit code."""
    outcomes = []
    for part, items in parts.items():
        for name, item in items.items():
            title = part if name == part else f"{part} {name}"
            print(f"{title:<26} {item['outcome']:<14} {item['line']}")
            outcomes.append(item["outcome"])
    count = {o: outcomes.count(o) for o in (DONE, *NOT_DONE)}
    print(", ".join(f"{n} {outcome}" for outcome, n in count.items()))
    if UNFINISHED in outcomes:
        print("the same command again goes on from here")
    return 1 if FAILED in outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
