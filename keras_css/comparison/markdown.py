"""A comparison as Markdown that reads well in a terminal, too."""

from keras_css.comparison.differences import differences
from keras_css.comparison.differences import in_points
from keras_css.comparison.table import ACCURACIES
from keras_css.comparison.table import CALIBRATION
from keras_css.comparison.table import DISAGREEMENT
from keras_css.comparison.table import DIVERSITY
from keras_css.comparison.table import KINDS
from keras_css.comparison.table import TRAIN
from keras_css.errors import one_line
from keras_css.evaluation.students import standard_error

UNKNOWN = "\N{EN DASH}"
NOTE = """\
Test accuracy in percent, mean ± sample standard deviation over seeds, of the
weights of the last epoch and (sel.) of the epoch selected on validation. Branch
and network are those that a run would ship: the cheapest that validation does
not show to be worse (one standard error), of these the untransformed, then the
most accurate; nothing is chosen on test. A branch costs what the plain backbone
costs. "on train" is the branch's accuracy on training images without
augmentation: where it is far from 100, training longer or a larger network
comes first. "to NAME" is the branch's difference to that method in points,
paired by seed, with its 95 % interval (Student's t). ECE is the branch's
calibration error. Diversity is how far apart the branches of a cohort are on
test images: the L2 distance of their class probabilities, a mean over all
pairs; "disagree", in percent, how often two of them differ. Seconds are those
of the whole run: training of all networks, validation and test."""
DETAIL_NOTE = """\
Parameters are counted before BatchNorm is folded into the convolutions.
"Other" students cannot be cut out, or may not ship."""


def to_markdown(facts, summary, rows, missing, advice=""):
    """Returns the text of `table.md`.

    Args:
        facts: What `gather_facts` returns.
        summary: List of `Row`, as of `summary_rows`.
        rows: List of `Row`, as of `student_rows`.
        missing: List of `Cell` without a result.
        advice: As of `advice_text`.
    """
    blocks = ["# Methods side by side", "\n".join(_fact_lines(facts, missing))]
    for dataset in facts["datasets"]:
        own = [row for row in summary if row.dataset == dataset]
        blocks += [f"## {_plain(dataset)}", summary_table(own)]
        images = facts["datasets"][dataset]["test_images"]
        blocks += [precision_of_test(own, images)] if own else []
    if advice:
        blocks += ["## What to do", advice]
    blocks += [NOTE, "## Every student", DETAIL_NOTE]
    for dataset in facts["datasets"]:
        for kind in KINDS:
            own = [r for r in rows if (r.dataset, r.kind) == (dataset, kind)]
            if own:
                title = f"### {_plain(dataset)}: {kind}"
                blocks += [title, _student_table(own)]
    return "\n\n".join(blocks) + "\n"


def summary_table(summary):
    """Returns one line a method: branch, network, ensemble, and their cost.

    Args:
        summary: List of `Row` of one data set, as of `summary_rows`.
    """
    kinds = [kind for kind in KINDS if any(r.kind == kind for r in summary)]
    first = summary[0].method if summary else ""
    to_first = {d.method: d for d in differences(summary) if d.kind == KINDS[0]}
    head = ["method", "seeds"]
    head += [title for kind in kinds for title in (kind, f"{kind}, sel.")]
    if to_first:
        head.insert(3, f"to {first}")
    there = {TRAIN}.union(*(row.measures for row in summary))
    besides = [column for column in BESIDES if column[1] in there]
    lines = []
    for method in dict.fromkeys(row.method for row in summary):
        own = {row.kind: row for row in summary if row.method == method}
        any_row = next(iter(own.values()))
        line = [method, str(len(any_row.seeds))]
        for kind in kinds:
            for measure in ("test_last", "test_selected"):
                line.append(
                    _percent(own[kind].measures[measure])
                    if kind in own
                    else UNKNOWN
                )
        if to_first:
            known = to_first.get(method)
            line.insert(3, in_points(known) if known else UNKNOWN)
        measures = own.get(KINDS[0], any_row).measures
        for _, name, shown in besides:
            line.append(shown(measures[name]) if name in measures else UNKNOWN)
        lines.append([*line, _seconds(any_row)])
    titles = [title for title, _, _ in besides]
    return _table([*head, *titles, "seconds"], lines)


def precision_of_test(summary, images):
    """Returns how far the size of a test part blurs what it says.

    Args:
        summary: List of `Row` of one data set, as of `summary_rows`.
        images: How many test images it has.
    """
    accuracy = summary[0].measures["test_last"].mean
    error = 100 * standard_error(accuracy, images)
    return (
        f"{images:,} test images: an accuracy of {100 * accuracy:.0f} % has a "
        f"standard error of {error:.1f} points from them alone; the methods "
        "share them."
    )


def _student_table(rows):
    head = ["method", "student", "seeds", "parameters", "test"]
    head += ["test, sel.", "validation", "validation, sel.", "seconds"]
    lines = [
        [
            row.method,
            row.student,
            str(len(row.seeds)),
            UNKNOWN if row.parameters is None else f"{row.parameters:,}",
            *(_percent(row.measures[name]) for name in ACCURACIES),
            _seconds(row),
        ]
        for row in rows
    ]
    return _table(head, lines)


def _fact_lines(facts, missing):
    versions = facts["versions"]
    shown = ("keras_css", "keras", facts["backend"], "numpy", "python")
    lines = [
        f"- trained {' to '.join(_ends(facts['dates'])) or 'not yet'}, backend "
        f"{facts['backend']}, trainings at a time in the last call: "
        f"{facts['jobs']}",
        *(
            f"- {machine['processor']}, {machine['cores']} cores, GPU: "
            f"{one_line(machine['gpu'] or 'none')}, {machine['system']}"
            for machine in facts["machines"]
        ),
        "- "
        + ", ".join(
            f"{name} {' and '.join(versions[name])}"
            for name in shown
            if name in versions
        ),
        f"- seeds: {', '.join(map(str, facts['seeds'])) or 'none'}",
    ]
    for name, data in facts["datasets"].items():
        shape = "x".join(map(str, data["image_shape"]))
        lines.append(
            f"- {_plain(name)}: {data['classes']} classes; images of {shape}: "
            f"{data['training_images']:,} training, "
            f"{data['validation_images']:,} validation, "
            f"{data['test_images']:,} test; backbones: "
            f"{', '.join(data['backbones'])}; {_training(data)}"
        )
    for name, cohort in facts["methods"].items():
        taught = f"taught by {', '.join(cohort['teacher'])}; "
        lines.append(
            f"- {_plain(name)}: networks: {cohort['networks']}, branches of "
            f"each: {cohort['branches']}; "
            f"transformation: {cohort['transformation']}; joint labels: "
            f"{'yes' if cohort['joint_labels'] else 'no'}; "
            f"{taught if cohort['teacher'] else ''}{_training(cohort)}"
        )
    if missing:
        titles = "; ".join(_plain(cell.title) for cell in missing)
        lines.append(f"- **missing**: {titles}")
    return lines


def _training(settings):
    """Returns how long and in which steps; all values where several are."""

    def shown(name):
        return " or ".join(f"{value:g}" for value in settings[name])

    return (
        f"epochs: {shown('epochs')}; batch size: {shown('batch_size')}; "
        f"learning rate: {shown('learning_rate')}"
    )


def _ends(dates):
    """Returns the first and the last of sorted dates, once if they agree."""
    return list(dict.fromkeys([*dates[:1], *dates[-1:]]))


def _percent(series):
    spread = UNKNOWN if series.std is None else f"{100 * series.std:.1f}"
    return f"{100 * series.mean:.1f} ± {spread}"


def _share(series):
    spread = UNKNOWN if series.std is None else f"{series.std:.2f}"
    return f"{series.mean:.2f} ± {spread}"


# What stands beside the accuracies: title, measure, form.
BESIDES = (
    ("on train", TRAIN, _percent),
    ("ECE", CALIBRATION, _share),
    ("diversity", DIVERSITY, _share),
    ("disagree", DISAGREEMENT, _percent),
)


def _seconds(row):
    series = row.measures["seconds"]
    spread = UNKNOWN if series.std is None else f"{series.std:.0f}"
    return f"{series.mean:.0f} ± {spread}"


def _table(head, lines):
    """Returns a Markdown table whose columns are as wide as their cells."""
    rows = [[_plain(cell) for cell in line] for line in [head, *lines]]
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |"
        for row in rows
    )


def _plain(text):
    return one_line(text).replace("|", "\\|")
