"""Picture of a comparison: what each method's students reach."""

import io

from keras_css.comparison.table import KINDS
from keras_css.report.charts import COLOURS


def draw_comparison(summary):
    """Returns a PNG of test accuracies of the last epoch, as bytes.

    A dot a seed, a bar from mean - std to mean + std, a panel a data set.

    Args:
        summary: List of `Row`, as of `summary_rows`, not empty.
    """
    from matplotlib.figure import Figure

    datasets = list(dict.fromkeys(row.dataset for row in summary))
    methods = list(dict.fromkeys(row.method for row in summary))
    width = max(5, 1.5 + 1.3 * len(methods))
    figure = Figure(figsize=(width, 4 * len(datasets)), layout="constrained")
    panels = figure.subplots(len(datasets), 1, squeeze=False)[:, 0]
    for axes, dataset in zip(panels, datasets):
        own = [row for row in summary if row.dataset == dataset]
        _draw_panel(axes, own, methods)
        axes.set(title=dataset, ylabel="test accuracy, last epoch (%)")
        axes.grid(alpha=0.3)
        axes.legend()
    target = io.BytesIO()
    figure.savefig(target, dpi=120, format="png")
    return target.getvalue()


def _draw_panel(axes, rows, methods):
    kinds = [kind for kind in KINDS if any(row.kind == kind for row in rows)]
    for i, (kind, colour) in enumerate(zip(kinds, COLOURS)):
        own = [row for row in rows if row.kind == kind]
        shift = 0.2 * (i - (len(kinds) - 1) / 2)
        places = [methods.index(row.method) + shift for row in own]
        series = [row.measures["test_last"] for row in own]
        axes.errorbar(
            places,
            [100 * s.mean for s in series],
            [100 * (s.std or 0) for s in series],
            fmt="o",
            capsize=4,
            color=colour,
            label=kind,
        )
        for place, s in zip(places, series):
            values = [100 * value for value in s.values]
            axes.plot(
                [place + 0.05] * len(values),
                values,
                ".",
                color=colour,
                alpha=0.4,
            )
    turned = {"rotation": 20, "ha": "right"} if len(methods) > 4 else {}
    # A method's options go below its name.
    labels = [m.replace(":", ":\n").replace("+", "\n") for m in methods]
    axes.set_xticks(range(len(methods)), labels, **turned)
    axes.set_xlim(-0.5, len(methods) - 0.5)
