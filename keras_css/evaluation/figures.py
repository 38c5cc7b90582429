"""Pictures of a run: its curves, its branches, what its students cost."""

COLOURS = ["#1b6ca8", "#d1603d", "#3b8b5a", "#7a4b94", "#a8892c", "#4a4a4a"]


def draw_curves(rows, path):
    """Draws loss and accuracy of each network and the ensemble as a PNG.

    Args:
        rows: List of dicts, one an epoch, as in `history.csv`.
        path: Where the PNG goes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]

    def draw(axes, name, label, **style):
        if name in rows[0]:
            values = [row[name] for row in rows]
            axes.plot(epochs, values, label=label, **style)

    draw(left, "loss", "train", color=COLOURS[0], linestyle=":")
    draw(left, "val_loss", "validation", color=COLOURS[0])
    left.set(xlabel="epoch", ylabel="loss", title="Loss", yscale="log")
    left.legend()

    ending = "/accuracy"
    wholes = [
        name[: -len(ending)]
        for name in rows[0]
        if name.endswith(ending)
        and name.count("/") == 1
        and not name.startswith("val_")
    ]
    for name, colour in zip(sorted(wholes), COLOURS * len(wholes)):
        draw(right, f"{name}{ending}", None, color=colour, linestyle=":")
        draw(right, f"val_{name}{ending}", name, color=colour)
    right.set(
        xlabel="epoch",
        ylabel="accuracy",
        title="Accuracy (dotted: train, solid: validation)",
    )
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def draw_agreement(agreement, path):
    """Draws how often branches disagree, a heat map with values, as a PNG.

    Args:
        agreement: What `pairwise_agreement` returned.
        path: Where the PNG goes.
    """
    from matplotlib.figure import Figure

    names, rows = agreement["students"], agreement["pairs"]["disagreement"]
    side = 3 + 0.65 * len(names)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(rows, cmap="Blues", vmin=0)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    darkest = max(max(row) for row in rows)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            colour = "white" if value > darkest / 2 else "black"
            text = f"{value:.3f}"
            axes.text(j, i, text, ha="center", va="center", color=colour)
    axes.set_title(
        "Share of test images on which two branches disagree", wrap=True
    )
    figure.savefig(path, dpi=120)


def draw_accuracy_latency(points, path):
    """Draws test accuracy against latency of exported students as a PNG.

    Args:
        points: List of dicts with `student`, `precision`, `accuracy` (None
            where unknown) and `ms_per_image`.
        path: Where the PNG goes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    shown = [point for point in points if point["accuracy"] is not None]
    for point, colour in zip(shown, COLOURS * len(shown)):
        axes.scatter(
            point["ms_per_image"],
            point["accuracy"],
            color=colour,
            label=f"{point['student']} ({point['precision']})",
        )
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    axes.set(
        xlabel="milliseconds for one image (median, CPU)",
        ylabel="test accuracy of the file",
        title="What each student costs and gives",
    )
    axes.margins(x=0.1, y=0.2)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
