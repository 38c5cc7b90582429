"""From the results of runs to rows: mean and deviation over seeds."""

import dataclasses
import statistics

from keras_css.evaluation.students import KINDS as STUDENT_KINDS
from keras_css.evaluation.students import best_student
from keras_css.evaluation.students import student_kind
from keras_css_runtime.shapes import fits

KINDS = (*STUDENT_KINDS, "other")
ACCURACIES = (
    *("test_last", "test_selected"),
    *("validation_last", "validation_selected"),
)
MEASURES = (*ACCURACIES, "seconds")
# Where a result may have them: those of before lack some, a single branch is
# like no other. A row has what all of its seeds have; None is the student.
TRAIN, CALIBRATION = "train_last", "calibration_last"
DIVERSITY, DISAGREEMENT = "diversity", "disagreement"
OPTIONAL = {
    TRAIN: ("train", None),
    CALIBRATION: ("calibration_error", None),
    DIVERSITY: ("diversity", "fair_all"),
    DISAGREEMENT: ("diversity", "disagreement"),
}


@dataclasses.dataclass(frozen=True)
class Series:
    """A number that every seed has.

    Attributes:
        values: Tuple of floats, in the order of the seeds.
    """

    values: tuple

    @property
    def mean(self):
        return statistics.fmean(self.values)

    @property
    def std(self):
        """Sample standard deviation (n - 1), None of a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def to_json(self):
        """Returns mean, std and values as a dict."""
        return {
            "mean": self.mean,
            "std": self.std,
            "values": list(self.values),
        }


@dataclasses.dataclass(frozen=True)
class Row:
    """What one student of a method, or the best of a kind, came to.

    Attributes:
        dataset: As the user wrote it.
        method: As the user wrote it.
        student: Its name; in a summary its kind.
        kind: One of `KINDS`.
        seeds: Tuple of the seeds that have it.
        parameters: Its number of parameters, BatchNorm not folded; None where
            it is unknown or differs from seed to seed.
        measures: Dict from each of `MEASURES` to a `Series`: accuracies are
            fractions, `last` epoch or the one `selected` on validation.
            Those of `OPTIONAL` may be missing: accuracy on training images
            as they are, calibration error, and of the whole cohort how far
            apart its branches are and how often they disagree.
    """

    dataset: str
    method: str
    student: str
    kind: str
    seeds: tuple
    parameters: int | None
    measures: dict

    def to_json(self):
        """Returns a dict that JSON can hold."""
        return {
            **{
                field.name: getattr(self, field.name)
                for field in dataclasses.fields(self)
            },
            "seeds": list(self.seeds),
            "measures": {
                name: series.to_json() for name, series in self.measures.items()
            },
        }


def student_rows(results):
    """Returns a `Row` for each student of each method, kinds together.

    Args:
        results: Dict from finished `Cell` to the contents of `result.json`.
    """
    rows = []
    for (dataset, method), of_seeds in _by_method(results).items():
        names = {n: None for found in of_seeds.values() for n in found["test"]}
        for name in names:
            picks = {
                seed: (name, name)
                for seed, found in of_seeds.items()
                if name in found["test"]
            }
            kind = kind_of(name, of_seeds[next(iter(picks))])
            rows.append(_row(dataset, method, name, kind, picks, of_seeds))
    return _grouped(rows)


def summary_rows(results, datasets):
    """Returns a `Row` for the branch, network and ensemble of each method.

    Branch and network are, in each seed, what a run would ship of its kind
    (`best_student` on validation), by the weights that are reported: `last`
    may be another one than `selected`.

    Args:
        results: Dict from finished `Cell` to the contents of `result.json`.
        datasets: Dict from data set to its facts, as of `gather_facts`.
    """
    rows = []
    for (dataset, method), of_seeds in _by_method(results).items():
        images = datasets[dataset]["validation_images"]
        for kind in STUDENT_KINDS:
            picks = {
                seed: tuple(
                    best_of_kind(kind, part["validation"], found, images)
                    for part in (found, found["selected_epoch"])
                )
                for seed, found in of_seeds.items()
            }
            picks = {seed: pair for seed, pair in picks.items() if all(pair)}
            if picks:
                rows.append(_row(dataset, method, kind, kind, picks, of_seeds))
    return _grouped(rows)


def kind_of(student, result):
    """Returns which of `KINDS` a student is.

    Args:
        student: Its name.
        result: The contents of a `result.json` that has it.
    """
    if student not in result["student_parameters"]:
        # Measured, and cannot be cut out or may not ship.
        return "other"
    return KINDS[student_kind(student)]


def best_of_kind(kind, accuracies, result, images):
    """Returns the `best_student` of a kind, None if there is none.

    Args:
        kind: One of `KINDS`.
        accuracies: Dict from student to validation accuracy.
        result: The contents of the `result.json` they come from.
        images: Validation images.
    """
    own = {n: a for n, a in accuracies.items() if kind_of(n, result) == kind}
    if not own:
        return None
    return best_student(own, result["student_parameters"], images)


def _by_method(results):
    """Returns dict from (dataset, method) to a dict from seed to result."""
    groups = {}
    for cell, found in results.items():
        of_seeds = groups.setdefault((cell.dataset, cell.method), {})
        of_seeds[cell.seed] = found
    return groups


def _row(dataset, method, student, kind, picks, of_seeds):
    """Returns a `Row`.

    Args:
        picks: Dict from seed to the names of the student that is meant by the
            weights of the last and of the selected epoch.
        of_seeds: Dict from seed to the contents of `result.json`.
    """
    columns = {name: [] for name in (*MEASURES, *OPTIONAL)}
    parameters = set()
    for seed, (last, selected) in picks.items():
        found = of_seeds[seed]
        for part in ("test", "validation"):
            columns[f"{part}_last"].append(found[part][last])
            columns[f"{part}_selected"].append(
                found["selected_epoch"][part][selected]
            )
        columns["seconds"].append(found["seconds"]["total"])
        for name, (part, key) in OPTIONAL.items():
            measured = found.get(part)
            own = isinstance(measured, dict) and measured.get(key or last)
            if fits(own, float):
                columns[name].append(own)
        counts = found.get("student_parameters", {})
        parameters |= {counts.get(last), counts.get(selected)}
    for name in OPTIONAL:
        if len(columns[name]) < len(picks):
            del columns[name]
    return Row(
        dataset,
        method,
        student,
        kind,
        tuple(picks),
        parameters.pop() if len(parameters) == 1 else None,
        {name: Series(tuple(values)) for name, values in columns.items()},
    )


def _grouped(rows):
    """Returns the rows with each data set's students of a kind together."""
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    return sorted(
        rows,
        key=lambda row: (datasets.index(row.dataset), KINDS.index(row.kind)),
    )
