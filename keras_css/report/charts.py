"""Charts as SVG that takes the colours of its page, light or dark."""

import io
import statistics

from keras_css_runtime.errors import one_line

# Seen on white and on black.
COLOURS = (
    *("#3b82c4", "#c8691c", "#2f9461", "#9a6bc9"),
    *("#d0506a", "#a3802a", "#2192a1", "#808890"),
)
# Stands for the page's own colour of text.
INK = "#0a0b0c"
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9,
    "lines.linewidth": 1.6,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.2,
    "legend.frameon": False,
    **dict.fromkeys(
        (
            *("text.color", "axes.edgecolor", "axes.labelcolor"),
            *("xtick.color", "ytick.color", "grid.color"),
        ),
        INK,
    ),
}
# More points than a chart has pixels only make it larger.
MOST_POINTS = 300


def chart(draw, ylabel, xlabel="epoch", height=2.6):
    """Returns the text of an SVG element.

    Args:
        draw: Function that draws on the axes it is given.
        ylabel, xlabel: What the axes show.
        height: In inches; the width is 4.6.
    """
    import matplotlib
    from matplotlib.figure import Figure

    salt = {"svg.hashsalt": ylabel}
    with matplotlib.rc_context({**STYLE, **salt}):
        figure = Figure(figsize=(4.6, height), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        draw(axes)
        if axes.get_legend_handles_labels()[1]:
            figure.legend(loc="outside lower left", ncols=2, fontsize=8)
        target = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(target, format="svg", metadata=nothing)
    text = target.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def training_charts(rows, students, best, chosen):
    """Returns dict from what a chart shows to its SVG.

    Args:
        rows: Those of `history.csv`.
        students: Names of all students.
        best: The best one.
        chosen: The epoch that validation prefers.
    """
    accuracies = {
        name: _column(rows, f"val_{name}/accuracy", 100) for name in students
    }
    losses = {
        "all, training": _column(rows, "loss"),
        "all, validation": _column(rows, "val_loss"),
        **_terms(rows),
    }
    rates = {None: _column(rows, "learning_rate")}
    shown = {
        "Accuracy on validation": (accuracies, "right answers, %"),
        "Loss, and its terms in training": (losses, "loss"),
        "Learning rate": (rates, "learning rate"),
    }
    return {
        title: chart(_curves(rows, series, best, chosen), ylabel)
        for title, (series, ylabel) in shown.items()
        if any(series.values())
    }


def _column(rows, name, times=1):
    """Returns the values of a column, [] if there is none."""
    return [times * row[name] for row in rows if name in row]


def _terms(rows):
    """Returns dict from a term of the loss to its mean over the networks."""
    terms = {}
    for name in rows[0]:
        network, _, term = name.partition("/")
        said = name.endswith(("/accuracy", "loss", "score"))
        if term and "/" not in term and not said and network[:4] != "val_":
            terms.setdefault(term, []).append(name)
    return {
        term: [statistics.fmean(row[n] for n in names) for row in rows]
        for term, names in terms.items()
    }


def _curves(rows, series, best, chosen):
    """Returns a function that draws one line a series over the epochs.

    Branches that are not the best one stay in the background.
    """
    step = max(1, len(rows) // MOST_POINTS)
    kept = sorted({*range(0, len(rows), step), len(rows) - 1})
    epochs = [rows[i]["epoch"] for i in kept]
    marker = "o" if len(rows) < 3 else None

    def draw(axes):
        colours = iter(COLOURS * len(series))
        for name, values in series.items():
            if len(values) != len(rows):
                continue
            style = {"color": COLOURS[-1], "alpha": 0.4, "linewidth": 0.8}
            if name is None or "/" not in name or name == best:
                label = name and f"{one_line(name)}: {values[-1]:.4g}"
                style = {"color": next(colours), "label": label}
            if name == best:
                style["linewidth"] = 2.6
            drawn = [values[i] for i in kept]
            axes.plot(epochs, drawn, marker=marker, **style)
        axes.axvline(chosen, color=INK, linestyle=":", linewidth=1)
        values = [v for column in series.values() for v in column]
        if min(values) > 0 and max(values) > 20 * min(values):
            axes.set_yscale("log")
            # Not as powers, which are no plain text.
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("")
        axes.xaxis.get_major_locator().set_params(integer=True)

    return draw


def reliability_chart(bins):
    """Returns a reliability diagram as SVG: 15 bars and what they should be.

    Args:
        bins: List of dicts as of `describe_calibration`.
    """
    width = 100 / len(bins)
    filled = [(i, row) for i, row in enumerate(bins) if row["images"]]

    def draw(axes):
        axes.bar(
            [(i + 0.5) * width for i, _ in filled],
            [100 * row["accuracy"] for _, row in filled],
            width=0.9 * width,
            color=COLOURS[0],
            label="right answers",
        )
        axes.plot(
            *([0, 100], [0, 100]),
            color=COLOURS[1],
            linestyle="--",
            label="as sure as right",
        )
        axes.set(xlim=(0, 100), ylim=(0, 100))

    return chart(draw, "right answers, %", "probability of the answer, %")


def latency_chart(points):
    """Returns accuracy against latency of exported students as SVG.

    Args:
        points: List of dicts as of `measure_students`.
    """

    def draw(axes):
        for point, colour in zip(points, COLOURS * len(points)):
            axes.scatter(
                point["ms_per_image"],
                100 * point["accuracy"],
                color=colour,
                label=one_line(f"{point['student']} ({point['precision']})"),
            )
        axes.margins(x=0.1, y=0.2)

    return chart(
        draw, "right test answers, %", "milliseconds for one picture (CPU)"
    )
