"""The training step beside plain PyTorch: `benchmarks/train_step.py`."""

import dataclasses
import pathlib
import statistics
import sys

from part import COULD_NOT_RUN
from part import DONE
from part import FAILED
from part import ROOT
from part import begin_part

sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT)]

from steps.cases import CASES  # noqa: E402
from steps.contenders import CONTENDERS  # noqa: E402
from steps.record import keep  # noqa: E402
from steps.worker import ContenderError  # noqa: E402
from train_step import compare  # noqa: E402
from train_step import table  # noqa: E402

TIMED = ("bottleneck_222", "resnet110_56", "resnet18_96")
# More batches than on a processor: an epoch of eight steps would be over at
# once, and `fit` has things to do after each.
ON_GPU_SIZES = {"batch_size": 128, "batches": 64}
ON_GPU = (
    *("plain", "plain_channels_last", "plain_compiled_bf16"),
    *("jax", "jax_bf16", "torch", "torch_bf16", "matmul", "matmul_bf16"),
)
TINY = ("plain", "jax", "torch", "matmul")
ROUNDS, SECONDS = 5, 2.0
# What our best step is to reach, relative to these.
AIMS = {"plain": 3.0, "plain_compiled_bf16": 1.3}
FEWEST_SECONDS = 60


def run(call, report):
    cases = {"tiny": CASES["tiny"]}
    pace = (2, 0.05)
    if not call.dry_run:
        pace = (ROUNDS, SECONDS)
        cases = {
            name: dataclasses.replace(CASES[name], **ON_GPU_SIZES)
            for name in TIMED
        }
    wanted, absent = choose(call, TINY if call.dry_run else ON_GPU)
    for name in report.begin(cases):
        if not any(CONTENDERS[w].kind == "ours" for w in wanted):
            reasons = dict.fromkeys(filter(None, call.backends.values()))
            report.put(name, COULD_NOT_RUN, "; ".join(reasons))
        elif call.dry_run or call.seconds_left > FEWEST_SECONDS:
            compare_and_keep(name, cases[name], wanted, absent, pace, report)


def choose(call, names):
    """Returns the contenders that can run, and why others cannot.

    Those of a backend that the call leaves out are in neither.
    """
    reasons = {
        name: call.backends[CONTENDERS[name].backend]
        for name in names
        if CONTENDERS[name].backend in call.backends
    }
    wanted = [name for name, reason in reasons.items() if not reason]
    return wanted, {name: r for name, r in reasons.items() if r}


def compare_and_keep(name, case, wanted, absent, pace, report):
    """Times a case and keeps the record in `OUT/results`."""
    out = report.path.parent
    cached = any((out / "cache").glob("*/*"))
    try:
        results = compare(case, wanted, *pace)
    except (ContenderError, SystemExit) as error:
        report.put(name, FAILED, str(error))
        return
    results["not_run"].update(absent)
    print(table(results), flush=True)
    path = keep(
        {
            "case": name,
            "batch_size": case.batch_size,
            "float32_products": "in TF32 where a framework's default allows it",
            "compiled_programs_were_cached": cached,
            **results,
        },
        out / "results",
        f"train_step_{name}",
    )
    found = ratios(results["contenders"])
    outcome, line = verdict(results, found)
    record = str(pathlib.Path(path).relative_to(out))
    report.put(name, outcome, line, record=record, ratios=found)


def ratios(contenders):
    """Returns our best step's speed relative to those of `AIMS`.

    Returns:
        Dict from contender to the median, over rounds, of our speed by its
        speed; with `"best"`, the name of our best step.
    """
    ours = [n for n in contenders if CONTENDERS[n].kind == "ours"]
    if not ours:
        return {}
    best = max(ours, key=lambda name: contenders[name]["images_per_second"])
    rates = contenders[best]["rounds"]
    found = {
        other: round(
            statistics.median(
                own / its
                for own, its in zip(rates, contenders[other]["rounds"])
            ),
            3,
        )
        for other in AIMS
        if other in contenders
    }
    return {"best": best, **found}


def verdict(results, found):
    """Returns outcome and line of a case."""
    if not found:
        reasons = [f"{name}: {r}" for name, r in results["not_run"].items()]
        return FAILED, f"no step of ours ran: {'; '.join(reasons)}"
    best = found["best"]
    speed = results["contenders"][best]["images_per_second"]
    parts = [f"{best}: {speed:,} images/s"]
    for other, aim in AIMS.items():
        if other in found:
            parts.append(f"{found[other]:.2f} x {other} (aim {aim})")
    for name, reason in results["not_run"].items():
        parts.append(f"{name} not run: {reason}")
    return DONE, "; ".join(parts)


if __name__ == "__main__":
    begin_part("yardstick", run)
