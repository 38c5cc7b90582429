"""Where the time of our training step goes, kernel by kernel.

  python benchmarks/gpu/trace.py --backend jax --precision bfloat16

Printed: the seconds of a step without the tracer; how many kernels a step runs,
and the share of it in which they keep the device busy; the kernels that take
longest. Many kernels that leave the device idle are launched too slowly; few
that keep it busy compute too slowly.
"""

import argparse
import collections
import dataclasses
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from steps.cases import CASES  # noqa: E402
from steps.contenders import CONTENDERS  # noqa: E402
from steps.contenders import Ours  # noqa: E402

SHOWN = 25
LETTERS = 70


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--backend", choices=list(TRACERS), default="jax")
    add("--precision", choices=["float32", "bfloat16"], default="float32")
    add("--case", choices=list(CASES), default="resnet110_56")
    add("--batch_size", type=int, default=128)
    flags = parser.parse_args(arguments)
    os.environ["KERAS_BACKEND"] = flags.backend
    case = dataclasses.replace(CASES[flags.case], batch_size=flags.batch_size)
    contender = dataclasses.replace(
        CONTENDERS[flags.backend], precision=flags.precision
    )
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        ours = Ours(contender, case, folder)
        ours.run(1)
        seconds, steps = ours.run(1)
        kernels = TRACERS[flags.backend](lambda: ours.run(1), folder)
    print("\n".join(lines(kernels, steps, seconds / steps)))


def trace_jax(run, folder):
    """Returns a Counter of calls and one of seconds, by kernel."""
    import jax

    with jax.profiler.trace(folder):
        run()
    (path,) = folder.rglob("*.xplane.pb")
    planes = list(jax.profiler.ProfileData.from_file(str(path)).planes)
    devices = [p for p in planes if p.name.startswith("/device:GPU")]
    calls, seconds = collections.Counter(), collections.Counter()
    for plane in devices or planes:
        for line in plane.lines:
            # On a processor threads of XLA stand beside Python's.
            if devices and not line.name.startswith("Stream"):
                continue
            if not devices and "XLA" not in line.name:
                continue
            for event in line.events:
                calls[event.name] += 1
                seconds[event.name] += event.duration_ns / 1e9
    return calls, seconds


def trace_torch(run, folder):
    """Returns a Counter of calls and one of seconds, by kernel."""
    import torch

    on_gpu = torch.cuda.is_available()
    kinds = torch.profiler.ProfilerActivity
    kind = kinds.CUDA if on_gpu else kinds.CPU
    with torch.profiler.profile(activities=[kind]) as profiler:
        run()
    calls, seconds = collections.Counter(), collections.Counter()
    for row in profiler.key_averages():
        calls[row.key] += row.count
        seconds[row.key] += 1e-6 * (
            row.self_device_time_total if on_gpu else row.self_cpu_time_total
        )
    return calls, seconds


TRACERS = {"jax": trace_jax, "torch": trace_torch}


def lines(kernels, steps, seconds_a_step):
    """Returns the figures as lines of text."""
    calls, seconds = kernels
    busy = sum(seconds.values()) / steps
    shown = [
        f"{seconds_a_step * 1e3:.2f} ms a step; "
        f"{sum(calls.values()) / steps:,.0f} kernels take "
        f"{busy * 1e3:.2f} ms of it ({busy / seconds_a_step:.0%})",
        f"{'ms a step':>10}{'calls':>8}  kernel",
    ]
    for name, took in seconds.most_common(SHOWN):
        shown.append(
            f"{took / steps * 1e3:>10.3f}{calls[name] / steps:>8.1f}"
            f"  {name[:LETTERS]}"
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
