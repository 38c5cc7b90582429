"""How time and memory of our training step grow, one size at a time.

  python benchmarks/scale.py --axis branches
  python benchmarks/scale.py --axis all --backends jax,torch,tensorflow --keep

Along an axis one size grows and the rest stays. Each point lives in a process
of its own: it takes steps (for the number of images: epochs) for about
--seconds, --rounds times. Printed for each point: images/s, the median seconds
of a step (of an epoch), the memory held once the images lie on the device, and
the most held later (of the GPU, on a processor of the process). Printed for
each axis: the exponent of time against size, the slope of a line through the
logarithms; 1 is linear, less is better. With --keep the figures go to
benchmarks/results/; `plot.py` draws them.

The short form is tests/benchmarks/test_scale.py.
"""

import argparse
import dataclasses
import pathlib
import statistics
import sys
import tempfile
from collections.abc import Callable

import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from steps.cases import CASES  # noqa: E402
from steps.contenders import CONTENDERS  # noqa: E402
from steps.record import keep  # noqa: E402
from steps.worker import ContenderError  # noqa: E402
from steps.worker import Worker  # noqa: E402
from train_step import paced  # noqa: E402
from train_step import say  # noqa: E402

BACKENDS = ("jax", "torch", "tensorflow")
# Slopes are measured: what is above 1 by less may well be linear.
NOISE = 0.05


@dataclasses.dataclass(frozen=True)
class Axis:
    """What grows.

    Attributes:
        unit: Name of the size that time should be linear in.
        values: Where it is looked at unless `--values` says otherwise.
        change: Function from a `Case` and a value to the fields that change.
        case: Name of the case that the rest is taken from.
        size: Function from a value to that size.
        time: What is timed, `"step"` or `"epoch"`.
    """

    unit: str
    values: tuple
    change: Callable
    case: str = "bottleneck_222"
    size: Callable = int
    time: str = "step"

    def grow(self, case, value):
        return dataclasses.replace(case, **self.change(case, value))


AXES = {
    "batch_size": Axis(
        "images a step", (8, 16, 32, 64, 128), lambda c, n: {"batch_size": n}
    ),
    "branches": Axis("branches", (1, 2, 3, 4), lambda c, n: {"branches": n}),
    "networks": Axis(
        "networks",
        (1, 2, 3, 4),
        lambda c, n: {"networks": c.networks[:1] * n},
    ),
    "image_size": Axis(
        "pixels",
        (16, 24, 32, 48, 64),
        lambda c, n: {"image_size": n},
        size=lambda n: n**2,
    ),
    # Of a small cohort, so that feeding has its part in the time.
    "dataset_size": Axis(
        "images",
        (1024, 2048, 4096, 8192),
        lambda c, n: {"batches": max(1, n // c.batch_size)},
        case="resnet8",
        time="epoch",
    ),
}


def main(arguments=None):
    flags = parse(arguments)
    results = {"axes": {}, "not_run": {}}
    for name in AXES if flags.axis == "all" else [flags.axis]:
        found = look_along(name, flags, results["not_run"])
        results["axes"][name] = found
        print("\n".join(lines(name, found)), flush=True)
    for point, reason in results["not_run"].items():
        print(f"not run: {point}: {reason}")
    if flags.keep:
        print(keep(results, flags.keep, f"scale_{flags.axis}"))
    return 1 if results["not_run"] else 0


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--axis", choices=[*AXES, "all"], required=True)
    add("--backends", default="jax", help=f"of {','.join(BACKENDS)}")
    add("--values", help="of one axis, with commas (default: the axis' own)")
    add("--case", choices=CASES, help="the rest (default: the axis' own)")
    add("--rounds", type=int, default=3)
    add("--seconds", type=float, default=2.0, help="a round (default: 2)")
    add("--keep", nargs="?", const=HERE / "results", help="of a record")
    flags = parser.parse_args(arguments)
    flags.backends = flags.backends.split(",")
    if set(flags.backends) - set(BACKENDS):
        parser.error(f"--backends must be of {','.join(BACKENDS)}")
    if flags.values:
        values = flags.values.split(",")
        if flags.axis == "all" or not all(map(str.isdecimal, values)):
            parser.error("--values must be whole numbers, for one axis")
        flags.values = [*map(int, values)]
    return flags


def look_along(name, flags, not_run):
    """Measures an axis on every backend.

    Args:
        name: A name of `AXES`.
        flags: The command's.
        not_run: Dict that takes the reason of each point without figures.

    Returns:
        Dict with the axis' `case`, `unit`, `time` and, per backend, `points`
        and `exponents`.
    """
    axis = AXES[name]
    base = flags.case or axis.case
    found = {"case": base, "unit": axis.unit, "time": axis.time}
    found["backends"] = {}
    for backend in flags.backends:
        points = []
        for value in flags.values or axis.values:
            say(f"{name} {value} on {backend}")
            case = axis.grow(CASES[base], value)
            try:
                point = measure(case, backend, flags.rounds, flags.seconds)
            except ContenderError as error:
                not_run[f"{name} {value} on {backend}"] = str(error)
                continue
            points.append({"value": value, "size": axis.size(value), **point})
        keys = (f"seconds_{axis.time}", "peak_megabytes")
        exponents = {key: exponent(points, key) for key in keys}
        found["backends"][backend] = {"points": points, "exponents": exponents}
    return found


def measure(case, backend, rounds, seconds):
    """Returns the figures of one point, taken by a process of its own.

    Raises:
        ContenderError: If the step does not work here.
    """
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(
            backend, CONTENDERS[backend], case, pathlib.Path(folder)
        )
        try:
            worker.ask("begin")
            start = worker.ask("held_bytes")
            worker.ask("run", 1)
            steps = paced(worker, seconds)
            turns = [worker.ask("run", steps) for _ in range(rounds)]
            peak = worker.ask("peak_bytes")
        finally:
            worker.close()
    times = [took / done for took, done in turns]
    step = statistics.median(times)
    return {
        "images_per_second": round(case.batch_size / step, 1),
        "seconds_step": step,
        "seconds_epoch": step * case.batches,
        "rounds": times,
        "start_megabytes": round(start / 2**20),
        "peak_megabytes": round(peak / 2**20),
    }


def exponent(points, key):
    """Returns the slope of log(figure) over log(size); None of one point."""
    if len({point["size"] for point in points}) < 2:
        return None
    logs = np.log([[point["size"], point[key]] for point in points])
    return round(float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0]), 3)


def lines(name, found):
    """Returns an axis as lines of text."""
    time = found["time"]
    shown = [
        f"{name} ({found['case']})",
        f"  {'backend':<12}{'value':>8}{'images/s':>11}{'s a ' + time:>12}"
        f"{'start':>10}{'peak':>10}",
    ]
    for backend, curve in found["backends"].items():
        for point in curve["points"]:
            shown.append(
                f"  {backend:<12}{point['value']:>8}"
                f"{point['images_per_second']:>11,}"
                f"{point[f'seconds_{time}']:>12.4f}"
                f"{point['start_megabytes']:>7,} MB"
                f"{point['peak_megabytes']:>7,} MB"
            )
        slope = curve["exponents"][f"seconds_{time}"]
        if slope is not None:
            good = slope <= 1 + NOISE
            shown.append(
                f"  {backend}: {time} time ~ ({found['unit']})^{slope}, "
                f"{'linear or better' if good else 'WORSE THAN LINEAR'}; "
                f"peak memory ^{curve['exponents']['peak_megabytes']}"
            )
    return shown


if __name__ == "__main__":
    sys.exit(main())
