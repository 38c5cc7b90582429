"""What the page of a run shows, worked out of the run's files."""

import dataclasses
import functools
import pathlib

from keras_css.evaluation.answers import wilson
from keras_css.evaluation.lines import choice_line
from keras_css.evaluation.lines import student_table
from keras_css.report import commands
from keras_css.report import words
from keras_css.report.charts import latency_chart
from keras_css.report.charts import reliability_chart
from keras_css.report.charts import training_charts

# Epochs in the table below the curves.
TABLE_EPOCHS = 20
# A class with so many times the images of another is told.
UNBALANCED = 3
SKIPPED = 10
# The others are folded away.
SHOWN_CLASSES = 30


@dataclasses.dataclass(frozen=True)
class Contents:
    """The files of a run, as they were read.

    Attributes:
        path: Of the run folder, for commands.
        result: `result.json`.
        stored: `config.json`.
        rows: Those of `history.csv`.
        answers: What `result.json` says of the best student, or None.
        agreement: `agreement.json`, or None.
        thumbnails: What `make_thumbnails` returned, or None.
        exports: Dict from the name of an ONNX file to the contents of the
            JSON file beside it.
        benchmarks: Dict from the name of one to that of its benchmark.
    """

    path: pathlib.Path
    result: dict
    stored: dict
    rows: list
    answers: dict | None = None
    agreement: dict | None = None
    thumbnails: dict | None = None
    exports: dict = dataclasses.field(default_factory=dict)
    benchmarks: dict = dataclasses.field(default_factory=dict)

    @property
    def best_export(self):
        """Name of the ONNX file of the best student, None if there is none."""
        best = self.result["best_student"]
        return next(
            (
                n
                for n, found in self.exports.items()
                if found["student"] == best
            ),
            None,
        )


def page(contents):
    """Returns the report of a run, one HTML page, as text."""
    run, best = contents.result, contents.result["best_student"]
    answers = contents.answers
    shown = {
        "title": f"{run['method']} on {run['dataset']}",
        "best": best,
        "headline": _headline(contents),
        "commands": commands.next_commands(contents),
        "choice": choice_line(run),
        "students": _students(contents),
        "charts": training_charts(
            contents.rows, run["test"], best, run["selected_epoch"]["epoch"]
        )
        if contents.rows
        else {},
        "epochs": _epochs(contents.rows, best),
        "chosen": run["selected_epoch"],
        "files": _files(contents),
        "latencies": _latencies(contents),
        "notes": _notes(contents),
        "details": _details(contents),
        "agreement": contents.agreement,
        "answers": answers,
    }
    if answers:
        pictures = contents.thumbnails or {}
        names = run["class_names"]
        shown["classes"] = _classes(answers["classes"], names, pictures)
        shown["confusion"] = _confusion(answers["confusion"])
        shown["shown_classes"] = SHOWN_CLASSES
        shown["names"] = names
        shown["reliability"] = reliability_chart(answers["calibration"]["bins"])
        for part in ("sure_mistakes", "unsure_answers"):
            urls = pictures.get(part) or [None] * len(answers[part])
            shown[part] = list(zip(answers[part], urls))
    return _template().render(shown)


@functools.cache
def _template():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        finalize=words.finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= words.FILTERS
    return environment.get_template("page.html")


def _headline(contents):
    """Returns accuracy, its interval, and what the best student costs."""
    run, best = contents.result, contents.result["best_student"]
    images = contents.stored["data"]["test_images"]
    accuracy = run["test"][best]
    low, high = wilson(accuracy * images, images)
    exported = contents.best_export
    return {
        "accuracy": accuracy,
        "half": (high - low) / 2,
        "low": low,
        "high": high,
        "images": images,
        "parameters": run["student_parameters"].get(best),
        "bytes": contents.exports[exported]["bytes"] if exported else None,
        "ms": _ms(contents.benchmarks.get(exported)),
    }


def _ms(benchmark):
    """Returns milliseconds of one picture, None if they were not measured."""
    batches = benchmark["batches"] if benchmark else []
    return next(
        (b["file"]["p50_ms"] for b in batches if b["batch_size"] == 1), None
    )


def _students(contents):
    """Returns a dict a student, the cheapest first."""
    run, images = contents.result, contents.stored["data"]["test_images"]
    rows = [
        {
            "name": name,
            "parameters": size,
            "validation": validation,
            "test": test,
            "error": error,
            "interval": wilson(test * images, images),
        }
        for name, size, validation, test, error in student_table(run)
    ]
    unknown = float("inf")
    return sorted(
        rows, key=lambda r: (r["parameters"] or unknown, -r["validation"])
    )


def _classes(columns, names, pictures):
    """Returns a dict a class, the least accurate first."""
    samples = pictures.get("classes") or []
    rows = [
        dict(zip(columns, values)) | {"name": name, "samples": []}
        for name, *values in zip(names, *columns.values())
    ]
    for row, urls in zip(rows, samples):
        row["samples"] = urls
    for row in rows:
        answer = row["taken_for"]
        row["taken_for"] = None if answer is None else names[answer]
    return sorted(
        rows, key=lambda r: (r["accuracy"] is None, r["accuracy"] or 0)
    )


def _confusion(matrix):
    """Returns rows of `(times, share of the row)`, or None."""
    if matrix is None:
        return None
    return [
        [(times, times / max(1, sum(row))) for times in row] for row in matrix
    ]


def _epochs(rows, best):
    """Returns `(head, rows)` of a few epochs' values."""
    names = {
        "epoch": "epoch",
        "loss": "loss",
        "val_loss": "validation loss",
        f"val_{best}/accuracy": f"validation accuracy of {best}",
        "learning_rate": "learning rate",
        "seconds": "seconds",
    }
    names = {k: v for k, v in names.items() if rows and k in rows[0]}
    step = -(-len(rows) // TABLE_EPOCHS) or 1
    # From the last one back, so that it is among them.
    kept = rows[::-1][::step][::-1]
    return list(names.values()), [[row[k] for k in names] for row in kept]


def _files(contents):
    return [
        {
            **{"name": name, "student": found["student"]},
            **{"precision": found["precision"], "bytes": found["bytes"]},
            "test": found["accuracy"].get("test"),
            "difference": found["proof"]["largest_difference"],
            "batches": _batches(contents.benchmarks.get(name)),
        }
        for name, found in contents.exports.items()
    ]


def _batches(benchmark):
    """Returns the latencies of a file, and of what it was compared with."""
    return [
        {
            **batch["file"],
            "batch_size": batch["batch_size"],
            "plain": batch.get("plain_backbone", {}).get("p50_ms"),
            "keras": batch.get("keras_predict", {}).get("p50_ms"),
        }
        for batch in (benchmark["batches"] if benchmark else [])
    ]


def _latencies(contents):
    """Returns the chart of the newest benchmark's students, or None."""
    for found in contents.benchmarks.values():
        points = [
            point
            for point in found.get("students_of_the_run") or []
            if point["accuracy"] is not None
        ]
        if len(points) > 1:
            return latency_chart(points)
    return None


def _notes(contents):
    """Returns lines on the data, and on what looks wrong with them."""
    data, notes = contents.stored["data"], contents.stored["data_notes"]
    lines = [
        f"{data['training_images']:,} training, "
        f"{data['validation_images']:,} validation and "
        f"{data['test_images']:,} test pictures of "
        f"{len(data['class_names']):,} classes, from {notes['where']}"
    ]
    answers = contents.answers
    if answers:
        counts = answers["classes"]["training_images"]
        few, many = min(counts), max(counts)
        if many >= UNBALANCED * few:
            names = data["class_names"]
            lines.append(
                f"unbalanced: {many:,} training pictures of "
                f"{names[counts.index(many)]}, {few:,} of "
                f"{names[counts.index(few)]}"
            )
    lines += notes["left_out"]
    skipped = notes["skipped"]
    lines += [f"skipped: {fault}" for fault in skipped[:SKIPPED]]
    if len(skipped) > SKIPPED:
        lines.append(f"skipped: {len(skipped) - SKIPPED} more")
    if notes.get("licence"):
        lines.append(f"licence: {notes['licence']}")
    return lines


def _details(contents):
    """Returns dict from a heading to a dict of what a researcher asks for."""
    run, stored = contents.result, contents.stored
    return {
        "Networks": run["parameters"],
        "Diversity of the branches": run["diversity"],
        "Time": {
            "total": words.duration(run["seconds"]["total"]),
            "training images a second": run.get("images_per_second"),
            "rollbacks": len(run.get("rollbacks") or []),
        },
        "Settings": stored["config"],
        "Versions": stored.get("versions", {}),
        "Machine": {
            **stored.get("machine", {}),
            "backend": stored["backend"],
            "date": stored.get("date"),
        },
    }
