"""The training step beside plain PyTorch, paired in time.

  python benchmarks/train_step.py --case bottleneck_222
  python benchmarks/train_step.py --case resnet18_96 --contenders plain,jax

Each contender lives in a process of its own; all start from the same weights.
One that reports other losses for the first three steps is not timed.
Then, in each round, every one of them takes steps for about --seconds, in a
random order, while the others wait. Printed: images/s, the ratio to `plain`
(eager PyTorch, its default layout) as the median over rounds, the floating-
point operations a second relative to a matrix product measured in the same
rounds (MFU; of the same precision where it was asked for), the seconds until
the first step was done, and the peak memory. With --keep the figures go to
benchmarks/results/.

The short form is tests/benchmarks/test_train_step.py.
"""

import argparse
import dataclasses
import json
import pathlib
import random
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from steps.cases import CASES  # noqa: E402
from steps.contenders import CONTENDERS  # noqa: E402
from steps.contenders import DEFAULT  # noqa: E402
from steps.record import keep  # noqa: E402
from steps.record import machine  # noqa: E402
from steps.worker import ContenderError  # noqa: E402
from steps.worker import Worker  # noqa: E402

# Relative; the first loss, and those after one and two updates. A GPU may
# round float32 products to TF32, whose mantissa has 3 bits more than bfloat16.
TOLERANCE = {
    "float32": (1e-4, 1e-2),
    "tf32": (3e-3, 3e-2),
    "bfloat16": (2e-2, 1e-1),
}
FEWEST_STEPS = 8


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--case", choices=list(CASES), default="bottleneck_222")
    parser.add_argument(
        "--contenders",
        default=",".join(DEFAULT),
        help=f"of {', '.join(CONTENDERS)} (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="a turn (default: 3)"
    )
    for size in ("batch_size", "batches"):
        parser.add_argument(f"--{size}", type=int, help="default: the case's")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument(
        "--out", type=pathlib.Path, help="JSON file, written after each round"
    )
    flags = parser.parse_args(arguments)
    names = flags.contenders.split(",")
    unknown = [name for name in names if name not in CONTENDERS]
    if unknown:
        parser.error(f"unknown contenders {unknown}; known: {[*CONTENDERS]}")
    sizes = {n: getattr(flags, n) for n in ("batch_size", "batches")}
    sizes = {name: size for name, size in sizes.items() if size}
    case = dataclasses.replace(CASES[flags.case], **sizes)
    for found in compare(case, names, flags.rounds, flags.seconds):
        results = {"case": flags.case, **sizes, **found}
        if flags.out:
            flags.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    print(table(results))
    if flags.keep:
        print(keep(results, HERE / "results", f"train_step_{flags.case}"))
    return 0 if not results["not_run"] else 1


def compare(case, names, rounds, seconds):
    """Measures contenders in turns.

    Yields:
        After each round dict with `contenders` (name -> figures) and `not_run`
        (name -> reason).
    """
    workers, not_run, figures = {}, {}, {}
    # Whoever of ours begins first draws the weights that all start from.
    ours_first = sorted(names, key=lambda n: CONTENDERS[n].kind != "ours")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if CONTENDERS[ours_first[0]].kind != "ours":
            raise SystemExit("name at least one contender of ours")
        for name in ours_first:
            worker = Worker(name, CONTENDERS[name], case, folder)
            try:
                say(f"{name}: beginning")
                figures[name] = begin(worker)
                workers[name] = worker
            except ContenderError as error:
                not_run[name] = str(error)
                say(f"{name}: not run, {error}")
                worker.close()
        differing = other_losses(figures, on_gpu=bool(machine()["gpu"]))
        for name, reason in differing.items():
            not_run[name] = reason
            say(f"{name}: not run, {reason}")
            del figures[name]
            workers.pop(name).close()
        seconds_of = {name: [] for name in workers}
        steps = {n: paced(w, seconds) for n, w in workers.items()}
        order = random.Random(0)
        for count in range(rounds):
            say(f"round {count + 1} of {rounds}")
            for name in order.sample(list(workers), len(workers)):
                took, done = workers[name].ask("run", steps[name])
                seconds_of[name].append(took / done)
                if CONTENDERS[name].kind != "matmul":
                    peak = workers[name].ask("peak_bytes")
                    figures[name]["peak_megabytes"] = round(peak / 2**20)
            summarise(case, figures, seconds_of)
            shown = {name: figures[name] for name in names if name in figures}
            yield {"contenders": shown, "not_run": not_run}
        for worker in workers.values():
            worker.close()


def begin(worker):
    """Returns the first figures of a contender."""
    built = worker.ask("begin")
    if CONTENDERS[worker.name].kind == "matmul":
        return {"flops": worker.ask("flops")}
    begun = time.perf_counter()
    losses = worker.ask("first_losses")
    worker.ask("run", 1)
    found = {
        "first_losses": losses,
        "build_seconds": round(built, 1),
        "first_steps_seconds": round(time.perf_counter() - begun, 1),
    }
    if worker.name == "plain":
        found["flops_per_image"] = worker.ask("flops_per_image")
    return found


def other_losses(figures, on_gpu=False):
    """Compares the first losses, which started from the same weights.

    Args:
        figures: Dict from contender to its figures.
        on_gpu: Whether float32 products may be in TF32.

    Returns:
        Dict from each contender whose losses are not those of `plain`, or of
        the first one without it, to a text that says so.
    """
    timed = {
        n: f["first_losses"] for n, f in figures.items() if "flops" not in f
    }
    reference = next((n for n in ("plain", *timed) if n in timed), None)
    differing = {}
    for name, losses in timed.items():
        precision = CONTENDERS[name].precision
        if on_gpu and precision == "float32":
            precision = "tf32"
        first, later = TOLERANCE[precision]
        for i, (found, wanted) in enumerate(zip(losses, timed[reference])):
            bound = first if i == 0 else later
            if not abs(found - wanted) <= bound * abs(wanted):
                differing[name] = (
                    f"it computes other losses than {reference}: {losses} "
                    f"instead of {timed[reference]}"
                )
    return differing


def paced(worker, seconds):
    """Returns how many steps take about `seconds`; warms up on the way."""
    took, done = worker.ask("run", FEWEST_STEPS)
    return max(FEWEST_STEPS, round(seconds * done / took))


def summarise(case, figures, seconds_of):
    """Adds images/s, ratios and utilisation to the figures."""
    products = {
        CONTENDERS[name].precision: [
            found["flops"] / s for s in seconds_of[name]
        ]
        for name, found in figures.items()
        if "flops" in found
    }
    work = figures.get("plain", {}).get("flops_per_image")
    for name, found in figures.items():
        if "flops" in found:
            speeds = products[CONTENDERS[name].precision]
            found["gflops_per_second"] = round(
                statistics.median(speeds) / 1e9, 1
            )
            continue
        rates = [case.batch_size / s for s in seconds_of[name]]
        found["images_per_second"] = round(statistics.median(rates), 1)
        found["rounds"] = [round(rate, 1) for rate in rates]
        if "plain" in seconds_of:
            ratios = [
                base / own
                for base, own in zip(seconds_of["plain"], seconds_of[name])
            ]
            found["ratio"] = round(statistics.median(ratios), 3)
            found["ratios"] = [round(ratio, 3) for ratio in ratios]
        limits = products.get(CONTENDERS[name].precision)
        if work and limits:
            shares = [r * work / limit for r, limit in zip(rates, limits)]
            found["utilisation"] = round(statistics.median(shares), 3)


def table(results):
    """Returns the figures as lines of text."""
    lines = [
        f"{'step':<22}{'images/s':>10}{'ratio':>8}{'MFU':>7}"
        f"{'first steps':>13}{'memory':>11}"
    ]
    for name, found in results["contenders"].items():
        if "flops" in found:
            lines.append(f"{name:<22}{found['gflops_per_second']:>10,} GFLOP/s")
            continue
        ratio = f"{found['ratio']:.2f}" if "ratio" in found else "-"
        share = found.get("utilisation")
        lines.append(
            f"{name:<22}{found['images_per_second']:>10,}{ratio:>8}"
            f"{f'{share:.0%}' if share else '-':>7}"
            f"{found['first_steps_seconds']:>11.1f} s"
            f"{found['peak_megabytes']:>8,} MB"
        )
    for name, reason in results["not_run"].items():
        lines.append(f"{name:<22} not run: {reason}")
    return "\n".join(lines)


def say(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
