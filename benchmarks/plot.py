"""Draws records of `train_step.py` or `scale.py`.

  python benchmarks/plot.py benchmarks/results/train_step_bottleneck_222.json \\
      --out docs/train_step.png
  python benchmarks/plot.py benchmarks/results/scale_all.json \\
      --out docs/scale.png

Of the training step, one picture a record: a dot is a round, the bar is the
median, and the number the median ratio to plain PyTorch in the same rounds. Of
the scale, one column an axis, time above memory: a dot is a round, the line
goes through the medians, dashes are linear growth from the first point. Dotted
memory is that at the start of training.
"""

import argparse
import json
import pathlib
import statistics

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

COLOURS = {"plain": "#9a9a9a", "ours": "#2a6fb0"}
BACKENDS = {"jax": "#2a6fb0", "torch": "#d1603d", "tensorflow": "#3b8b5a"}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("records", nargs="+", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    flags = parser.parse_args(arguments)
    records = [json.loads(path.read_text("utf-8")) for path in flags.records]
    kinds = {"axes" in record for record in records}
    if len(kinds) > 1:
        parser.error("records must be of one benchmark: draw them apart")
    draw = draw_scale if kinds.pop() else draw_steps
    figure = draw(records)
    figure.tight_layout()
    figure.savefig(flags.out, dpi=120)
    print(f"drawn: {flags.out}")


def draw_steps(records):
    """Returns a figure of the training step, one picture a record."""
    figure, axes = pyplot.subplots(
        1, len(records), figsize=(6 * len(records), 3.4), squeeze=False
    )
    for ax, record in zip(axes[0], records):
        draw_step(ax, record)
    return figure


def draw_step(ax, record):
    timed = {n: f for n, f in record["contenders"].items() if "rounds" in f}
    names = sorted(timed, key=lambda n: timed[n]["images_per_second"])
    for place, name in enumerate(names):
        rounds = timed[name]["rounds"]
        kind = "plain" if name.startswith("plain") else "ours"
        middle = statistics.median(rounds)
        ax.barh(place, middle, color=COLOURS[kind], alpha=0.75)
        ax.plot(rounds, [place] * len(rounds), "k.", markersize=4)
        ratio = timed[name].get("ratio")
        if ratio:
            ax.text(max(rounds), place, f"  {ratio:.2f}", va="center")
    ax.set_yticks(range(len(names)), [label(name) for name in names])
    ax.set_xlim(0, 1.15 * max(max(f["rounds"]) for f in timed.values()))
    ax.set_xlabel("training images a second")
    ax.set_title(f"{record['case']}: {where(record)}", fontsize=9)


def draw_scale(records):
    """Returns a figure of all axes of the records; a later record wins."""
    found = {}
    for record in records:
        found.update(record["axes"])
    figure, axes = pyplot.subplots(
        2, len(found), figsize=(3.4 * len(found), 6), squeeze=False
    )
    for column, (name, axis) in zip(axes.T, found.items()):
        for backend, curve in axis["backends"].items():
            if curve["points"]:
                draw_curve(column, axis, backend, curve)
        time, memory = column
        time.set(xscale="log", yscale="log", title=name)
        time.set_ylabel(f"seconds of one {axis['time']}")
        time.legend(fontsize=7)
        memory.set(xlabel=axis["unit"], ylabel="peak memory, MB")
        memory.set_xlim(left=0)
        memory.set_ylim(0, 1.1 * memory.get_ylim()[1])
        show_sizes(time, axis)
    figure.suptitle(where(records[-1]), fontsize=9)
    return figure


def draw_curve(column, axis, backend, curve):
    """Draws time and memory of one backend along one axis."""
    time, memory = column
    points, key = curve["points"], f"seconds_{axis['time']}"
    sizes = [point["size"] for point in points]
    seconds = [point[key] for point in points]
    colour = BACKENDS[backend]
    name = backend
    if curve["exponents"][key] is not None:
        name += f", exponent {curve['exponents'][key]:.2f}"
    time.plot(sizes, seconds, "-", color=colour, label=name)
    for point in points:
        scale = point[key] / point["seconds_step"]
        turns = [scale * step for step in point["rounds"]]
        time.plot([point["size"]] * len(turns), turns, ".", color=colour)
    linear = [seconds[0] * size / sizes[0] for size in sizes]
    time.plot(sizes, linear, "--", color=colour, alpha=0.4)
    peaks = [point["peak_megabytes"] for point in points]
    memory.plot(sizes, peaks, "o-", color=colour, markersize=3)
    if axis["time"] == "epoch":
        starts = [point["start_megabytes"] for point in points]
        memory.plot(sizes, starts, "o:", color=colour, markersize=3)


def show_sizes(ax, axis):
    """Marks the sizes that were measured, and no powers of ten."""
    curves = axis["backends"].values()
    sizes = sorted({p["size"] for curve in curves for p in curve["points"]})
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=8)
    ax.set_xticks([], minor=True)


def where(record):
    """Returns which machine the figures of a record are of."""
    machine = record["machine"]
    return machine["gpu"] or (
        f"{machine['cores']} cores, {machine['processor']}"
    )


def label(name):
    if name.startswith("plain"):
        return "PyTorch by hand" + name.removeprefix("plain").replace("_", " ")
    return f"keras_css on {name}"


if __name__ == "__main__":
    main()
