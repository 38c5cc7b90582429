"""Draws records of `train_step.py`: every round of every contender.

  python benchmarks/plot_train_step.py benchmarks/results/train_step_*.json \
      --out docs/train_step.png

One picture a record; a dot is a round, the bar is the median, and the number
the median ratio to plain PyTorch in the same rounds.
"""

import argparse
import json
import pathlib
import statistics

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

COLOURS = {"plain": "#9a9a9a", "ours": "#2a6fb0"}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("records", nargs="+", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    flags = parser.parse_args()
    records = [json.loads(path.read_text("utf-8")) for path in flags.records]
    figure, axes = pyplot.subplots(
        1, len(records), figsize=(6 * len(records), 3.4), squeeze=False
    )
    for ax, record in zip(axes[0], records):
        draw(ax, record)
    figure.tight_layout()
    figure.savefig(flags.out, dpi=120)
    print(f"drawn: {flags.out}")


def draw(ax, record):
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
    where = record["machine"]["gpu"] or (
        f"{record['machine']['cores']} cores, {record['machine']['processor']}"
    )
    ax.set_title(f"{record['case']}: {where}", fontsize=9)


def label(name):
    if name.startswith("plain"):
        return "PyTorch by hand" + name.removeprefix("plain").replace("_", " ")
    return f"keras_css on {name}"


if __name__ == "__main__":
    main()
