"""A comparison from its settings to its tables and picture."""

import csv
import io
import pathlib

import keras

from keras_css.comparison.advice import advice_text
from keras_css.comparison.advice import advise
from keras_css.comparison.budget import check_no_own_length
from keras_css.comparison.budget import epochs_for_equal_compute
from keras_css.comparison.cell import check_cell
from keras_css.comparison.cell import make_cells
from keras_css.comparison.differences import differences
from keras_css.comparison.facts import gather_facts
from keras_css.comparison.figure import draw_comparison
from keras_css.comparison.folder import complete_grid
from keras_css.comparison.folder import locked
from keras_css.comparison.folder import remember
from keras_css.comparison.markdown import summary_table
from keras_css.comparison.markdown import to_markdown
from keras_css.comparison.processes import measured
from keras_css.comparison.processes import run_cells
from keras_css.comparison.same_settings import check_same_settings
from keras_css.comparison.table import MEASURES
from keras_css.comparison.table import student_rows
from keras_css.comparison.table import summary_rows
from keras_css.runs.folder import json_text
from keras_css.runs.folder import write_together


def compare(
    out_dir,
    recipe,
    grid,
    command,
    jobs,
    environment,
    say=print,
    budget="epochs",
    keep="all",
):
    """Trains every cell of a grid that is not finished and writes tables.

    The tables show the cells that are named and those that earlier calls
    finished in this folder. They are written again after every cell.

    Args:
        out_dir: Folder of the comparison, new or begun by an earlier call.
        recipe: Dict of settings of `RunConfig`, the same for all cells.
        grid: Dict with the lists `datasets`, `methods` and `seeds`; None
            stands for what earlier calls named, see `complete_grid`.
        command: Function from a `Cell` and its epochs (None for those of the
            recipe) to the list of words that trains it; with `estimate=True`
            to the one that measures its steps. Its `typed` is a function from
            the same to what a user types for another such training.
        jobs: How many trainings run at a time.
        environment: Dict of the trainings' environment variables.
        say: Function that takes a line for the user.
        budget: `"epochs"`, the same for all, or `"compute"`: as many as cost
            what the dearest method's cost.
        keep: Of a finished cell: `"all"`, or `"small"`: what tables need.

    Returns:
        `(text, failed)`: the summary and what to do, for a terminal, and the
        list of the cells that failed.

    Raises:
        UserError: If a setting does not fit, or the folder holds another
            comparison. Nothing has been trained then.
    """
    out_dir = pathlib.Path(out_dir)
    grid = complete_grid(out_dir, grid)
    cells = make_cells(out_dir, **grid)
    for cell in cells:
        check_cell(cell, recipe)
    if budget == "compute":
        check_no_own_length(cells)
    with locked(out_dir) as lock:
        backend = keras.backend.backend()
        known = remember(out_dir, backend, recipe, grid, budget)
        shown = make_cells(out_dir, **known)

        def write():
            for cell in cells if keep == "small" else ():
                if cell.finished:
                    cell.keep_small()
            check_same_settings(
                {cell: cell.read_config() for cell in shown if cell.finished},
                *(backend, recipe, budget),
            )
            return write_tables(out_dir, shown, set(cells), jobs, typed)

        def typed(cell):
            config = cell.read_config()["config"]
            own = config["epochs"] if budget == "compute" else None
            return command.typed(cell, own)

        write()
        unfinished = [cell for cell in cells if not cell.finished]
        say(
            f"cells: {len(cells)}, finished: {len(cells) - len(unfinished)}, "
            f"to train: {len(unfinished)}, {jobs} at a time"
        )

        def measure(cell):
            return measured(command(cell, estimate=True), environment)

        epochs = {}
        if budget == "compute" and unfinished:
            epochs = epochs_for_equal_compute(out_dir, cells, measure, say)
        failed = run_cells(
            unfinished,
            lambda cell: command(cell, epochs.get(cell)),
            *(jobs, environment, lock, say, write),
        )
        text = write()
    return text, failed


def write_tables(out_dir, cells, named, jobs, typed):
    """Writes `table.md`, `table.csv`, `results.json` and `figure.png`.

    Args:
        out_dir: Folder of the comparison.
        cells: List of all `Cell`s that may have been trained there.
        named: Set of those that count as missing without a result.
        jobs: How many trainings ran at a time.
        typed: Function from a finished cell to the command for another
            training like it.

    Returns:
        The summary and what to do, for a terminal.

    Raises:
        UserError: If two methods did not see the same images.
    """
    results = {cell: cell.read_result() for cell in cells if cell.finished}
    missing = [cell for cell in cells if cell in named and cell not in results]
    facts = gather_facts(
        {cell: cell.read_config() for cell in results},
        keras.backend.backend(),
        jobs,
    )
    summary = summary_rows(results, facts["datasets"])
    rows = student_rows(results)
    like = {(cell.dataset, cell.method): cell for cell in results}
    advice = advice_text(
        advise(summary, facts["datasets"], lambda *names: typed(like[names]))
    )
    document = {
        **facts,
        "missing": [cell.title for cell in missing],
        "summary": [row.to_json() for row in summary],
        "differences": [
            difference.to_json()
            for part in ("validation", "test")
            for difference in differences(summary, part)
        ],
        "rows": [row.to_json() for row in rows],
    }
    contents = {
        "table.md": to_markdown(facts, summary, rows, missing, advice).encode(),
        "table.csv": _to_csv(rows).encode(),
        "results.json": json_text(document).encode(),
    }
    if summary:
        contents["figure.png"] = draw_comparison(summary)
    write_together({out_dir / name: text for name, text in contents.items()})
    return _for_terminal(summary, advice)


def _for_terminal(summary, advice):
    blocks = ["test accuracy (%)"]
    for dataset in dict.fromkeys(row.dataset for row in summary):
        own = [row for row in summary if row.dataset == dataset]
        blocks.append(f"{dataset}\n{summary_table(own)}")
    blocks += ["what to do", advice] if advice else []
    return "\n\n".join(blocks)


def _to_csv(rows):
    """Returns one line a student, accuracies as fractions of 1."""
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    measured = [f"{m}_{what}" for m in MEASURES for what in ("mean", "std")]
    known = ["dataset", "method", "student", "kind", "seeds", "parameters"]
    writer.writerow([*known, *measured])
    for row in rows:
        numbers = [
            number
            for name in MEASURES
            for number in (row.measures[name].mean, row.measures[name].std)
        ]
        writer.writerow(
            [
                *(row.dataset, row.method, row.student, row.kind),
                *(len(row.seeds), row.parameters, *numbers),
            ]
        )
    return target.getvalue()
