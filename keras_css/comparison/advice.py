"""What a comparison advises: does distillation pay on these data, and which?"""

import dataclasses
import math
import statistics

from keras_css.comparison.cell import split_method
from keras_css.comparison.differences import differences
from keras_css.comparison.differences import in_points
from keras_css.comparison.table import KINDS
from keras_css.comparison.table import TRAIN
from keras_css.errors import one_line
from keras_css.evaluation.students import noise
from keras_css.evaluation.students import standard_error

PLAIN = "independent"
# Below this on its training images a network has nothing to regularise yet.
FITS = 0.95
# Between training and validation; what is less, no method can win back.
GAP = 0.03
BRANCH, ENSEMBLE = KINDS[0], KINDS[2]


@dataclasses.dataclass(frozen=True)
class Advice:
    """What to do on one data set.

    Attributes:
        dataset: As the user wrote it.
        lines: List of texts.
        command: What then to type, None where nothing can be advised.
    """

    dataset: str
    lines: list
    command: str | None


def advise(summary, datasets, typed):
    """Returns a list of `Advice`, one for each data set.

    Methods are chosen on validation, by the branch that costs what a plain
    network costs; what test says of the choice stands beside it.

    Args:
        summary: List of `Row`, as of `table.summary_rows`.
        datasets: Dict from data set to its facts, as of `gather_facts`.
        typed: Function from a data set and a method to the command that
            trains with it.
    """
    found = []
    for dataset in dict.fromkeys(row.dataset for row in summary):
        own = [row for row in summary if row.dataset == dataset]
        images = datasets[dataset]["validation_images"]
        lines, method = _choice(own, images)
        lines = _diagnosis(own, datasets[dataset]) + lines
        command = typed(dataset, method) if method else None
        found.append(Advice(dataset, lines, command))
    return found


def advice_text(advice):
    """Returns advice as Markdown; the commands stand on lines of their own."""
    blocks = []
    for own in advice:
        lines = [one_line(f"- {own.dataset}: {line}") for line in own.lines]
        blocks += ["\n".join(lines)] if lines else []
        blocks += [f"      {one_line(own.command)}"] if own.command else []
    return "\n\n".join(blocks)


def _diagnosis(rows, facts):
    """Returns what plain training says of the data."""
    plain = {r.kind: r for r in reversed(rows) if _is_plain(r.method)}
    branch = plain.get(BRANCH)
    if branch is None:
        return [
            f"'{PLAIN}' is not among the methods: without plain training "
            "nothing can be said of the others' worth."
        ]
    lines = []
    reached = branch.measures["validation_last"].mean
    train = branch.measures.get(TRAIN)
    if train is not None and train.mean < FITS:
        lines.append(
            f"plain training gets {_percent(train.mean)} of its own training "
            "images right: it underfits. Train longer (--epochs, --steps) or "
            "take a larger network first; no method helps before that."
        )
    elif train is not None and train.mean - reached < GAP:
        lines.append(
            f"plain training gets {_percent(train.mean)} of its training and "
            f"{_percent(reached)} of the validation images right: there is no "
            "gap to close, plain training is enough."
        )
    if ENSEMBLE in plain:
        together = plain[ENSEMBLE].measures["validation_last"].mean
        lines.append(
            f"networks trained alone and averaged gain "
            f"{100 * (together - reached):+.1f} points: equal peers that only "
            "copy each other will hardly bring more."
        )
    images = facts["validation_images"] * len(branch.seeds)
    error = standard_error(reached, images)
    if error > 0.02:
        lines.append(
            f"{facts['validation_images']} validation images in "
            f"{len(branch.seeds)} seeds leave an error of "
            f"{100 * error:.1f} points: name more seeds or a larger "
            "--validation_fraction before you choose by a small difference."
        )
    return lines


def _choice(rows, images):
    """Returns lines on the methods, and which one validation has one take.

    Args:
        rows: Of one data set's summary.
        images: Validation images.
    """
    plain_first = sorted(rows, key=lambda row: not _is_plain(row.method))
    on = {
        part: {
            d.method: d
            for d in differences(plain_first, part)
            if d.kind == BRANCH and _is_plain(d.first)
        }
        for part in ("validation", "test")
    }
    if not on["validation"]:
        return [], None
    best = max(on["validation"].values(), key=lambda d: d.mean)
    found, test = in_points(best), in_points(on["test"][best.method])
    figures = f"{found} points on validation, {test} on test"
    # Few images may differ alike in all seeds by chance.
    blur = _noise_of(rows, best, images)
    if best.verdict == "better" and best.mean > blur:
        return [f"{best.method} pays: {figures}. Train with"], best.method
    if best.mean <= 0:
        said = (
            "no method is better than plain training; the nearest is "
            f"{best.method}: {figures}. Train with"
        )
        return [said], best.first
    more = seeds_needed(best, blur)
    tell = f" (about {more} seeds would tell)" if more else ""
    said = (
        f"{best.method} is not shown to be better than plain training{tell}: "
        f"{figures}. Until then train with"
    )
    return [said], best.first


def _noise_of(rows, difference, images):
    """Returns the `noise` of a difference on validation, over its seeds."""
    reached = {
        row.method: row.measures["validation_last"].mean
        for row in rows
        if row.kind == difference.kind
    }
    methods = (difference.method, difference.first)
    seeds = len(difference.values)
    return noise(*(reached[name] for name in methods), images * seeds)


def seeds_needed(difference, blur):
    """Returns how many seeds an interval without 0 would take, roughly.

    None where one seed says nothing of the spread, or there is none.

    Args:
        difference: Of two methods.
        blur: Standard error that its images leave, of all of its seeds.
    """
    values = difference.values
    if len(values) < 2 or not difference.mean:
        return None
    spread = statistics.stdev(values)
    of_seeds = math.ceil((2 * spread / difference.mean) ** 2) + 1
    of_images = math.ceil(len(values) * (blur / difference.mean) ** 2)
    return max(3, of_seeds, of_images)


def _is_plain(method):
    return split_method(method)[0] == PLAIN


def _percent(share):
    return f"{100 * share:.0f} %"
