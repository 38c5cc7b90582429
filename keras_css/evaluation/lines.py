"""What a run found, as lines for a terminal."""

from keras_css.evaluation.agreement import MEASURES
from keras_css.evaluation.answers import advised
from keras_css.evaluation.students import student_kind
from keras_css_runtime.errors import one_line

# So many classes a terminal names.
HARDEST = 3


def student_table(result):
    """Returns rows `(student, parameters, validation, test, ECE)` by cost.

    What cannot be cut out or may not ship has None parameters.
    """
    parts = [result[k] for k in ("validation", "test", "calibration_error")]
    names = sorted(result["test"], key=student_kind)
    sizes = result["student_parameters"]
    return [
        (name, sizes.get(name), *(part[name] for part in parts))
        for name in names
    ]


def accuracy_lines(result):
    """Returns the table of all students as lines for a terminal."""
    rows = student_table(result)
    wide = max(22, *(len(name) + 2 for name, *_ in rows))
    lines = [
        f"{'student':<{wide}}{'parameters':>12}"
        f"{'validation':>12}{'test':>10}{'ECE':>10}"
    ]
    for name, size, validation, test, error in rows:
        mark = "  best" if name == result["best_student"] else ""
        lines.append(
            f"{name:<{wide}}{_count(size):>12}"
            f"{validation:>12.4f}{test:>10.4f}{error:>10.4f}{mark}"
        )
    return lines


def choice_line(result):
    """Returns how the best student was chosen."""
    best, top = result["best_student"], result["most_accurate"]
    if top["student"] == best:
        return f"best: {best}, the most accurate on validation"
    return (
        f"best: {best}, the cheapest within one standard error of the most "
        f"accurate on validation, {top['student']}, which is "
        f"{100 * top['ahead']:.1f} points ahead (error of a difference: "
        f"{100 * top['noise']:.1f})"
    )


def answer_lines(result):
    """Returns what the best student answers on test, in a few lines.

    Args:
        result: The contents of `result.json`; those of runs of before have
            no `answers`, which makes no line.
    """
    found = result.get("answers")
    if found is None:
        return []
    names, calibration = result["class_names"], found["calibration"]
    right = round(found["accuracy"] * found["images"])
    lines = [
        f"{found['student']} on test: {right} of {found['images']} right, "
        f"{found['accuracy']:.1%} (95 % interval {100 * found['low']:.1f} to "
        f"{100 * found['high']:.1f})"
    ]
    if hardest := _hardest(found["classes"], names):
        lines.append(f"hardest classes: {'; '.join(hardest)}")
    if found["sure_mistakes"]:
        worst = found["sure_mistakes"][0]
        lines.append(
            f"surest mistake: {worst['image']}, {names[worst['label']]} taken "
            f"for {names[worst['answer']]} ({worst['probability']:.2f})"
        )
    lines.append(
        f"calibration error {calibration['error']:.3f}; with logits divided "
        f"by {calibration['temperature']:.2f}, which suits validation, "
        f"{calibration['error_mended']:.3f}"
    )
    if row := advised(found):
        lines.append(
            f"with --unsure_below {row['below']}, which suits validation, "
            f"{row['answered']:.1%} are answered and {row['accuracy']:.1%} of "
            "these right"
        )
    return [one_line(line) for line in lines]


def _hardest(classes, names):
    """Returns words on the classes with the least accuracy."""
    missed = [
        i
        for i, images in enumerate(classes["images"])
        if classes["right"][i] < images
    ]
    missed.sort(key=lambda i: classes["accuracy"][i])
    return [
        f"{names[i]} ({classes['accuracy'][i]:.0%} of {classes['images'][i]}, "
        f"{classes['times'][i]} taken for {names[classes['taken_for'][i]]})"
        for i in missed[:HARDEST]
    ]


def _count(size):
    return "-" if size is None else f"{size:,}"


def comparison_lines(results):
    """Returns test accuracies of several results as lines for a terminal.

    Args:
        results: List of `result.json` contents.
    """
    names = {name: None for result in results for name in result["test"]}
    head = "".join(f"{result['method']:>14}" for result in results)
    lines = [f"{'student':<22}{head}"]
    for name in sorted(names, key=student_kind):
        cells = [
            f"{r['test'][name]:>14.4f}" if name in r["test"] else f"{'-':>14}"
            for r in results
        ]
        lines.append(f"{name:<22}{''.join(cells)}")
    return lines


def diversity_lines(result):
    """Returns the diversity of a result as lines for a terminal."""
    shown = {
        name: f"{name} {value:.3f}"
        for name, value in result["diversity"].items()
        if value is not None
    }
    if not shown:
        return ["diversity of the branches: one branch"]
    distances = [shown[name] for name in shown if name not in MEASURES]
    alike = [shown[name] for name in MEASURES if name in shown]
    return [
        f"diversity of the branches: {', '.join(distances)}",
        f"agreement of the branches: {', '.join(alike)}",
    ]


def summary_text(result, run_dir):
    """Returns what a training prints at its end.

    Args:
        result: The contents of `result.json`.
        run_dir: The run folder.
    """
    selected = result["selected_epoch"]
    best = result["best_student"]
    return "\n".join(
        [
            *accuracy_lines(result),
            choice_line(result),
            f"(weights of the last epoch, {result['epochs']}; the epoch that "
            f"validation prefers, {selected['epoch']}, has test accuracy "
            f"{selected['test'][best]:.4f} for {best})",
            *answer_lines(result),
            *diversity_lines(result),
            f"{result['seconds']['total']:.0f} s in all, "
            f"{result['images_per_second']:.0f} training images/s, "
            "validation included",
            f"run folder: {run_dir}",
        ]
    )
