"""Equal training compute: how many epochs each method gets for one price."""

import pathlib

from keras_css.comparison.cell import split_method
from keras_css.errors import UserError
from keras_css.runs.folder import write_json
from keras_css_runtime.shapes import ANY_NAME
from keras_css_runtime.shapes import fits
from keras_css_runtime.shapes import read_object

BUDGETS = ("epochs", "compute")
FILE = "budget.json"
# Data set -> seconds that each method has, method -> what it makes of them.
SHAPE = {
    ANY_NAME: {
        "seconds": float,
        "methods": {ANY_NAME: {"epoch_seconds": float, "epochs": int}},
    }
}


def epochs_for_equal_compute(out_dir, cells, measure, say):
    """Returns the epochs of each cell for training that costs the same.

    The dearest method of the first call trains for the recipe's epochs, and
    what that costs is what every method gets, as many whole epochs as come
    nearest. Steps are measured once and kept in `budget.json`, so that all
    seeds have the same epochs, and those of later calls, too.

    Args:
        out_dir: Folder of the comparison, which exists.
        cells: List of `Cell`.
        measure: Function from a cell to the `Estimate` of its training.
        say: Function that takes a line for the user.

    Returns:
        Dict from cell to a number of epochs.

    Raises:
        UserError: If a method sets its epochs itself, or what was measured
            cannot be read.
    """
    check_no_own_length(cells)
    path = pathlib.Path(out_dir) / FILE
    known = _read(path) if path.exists() else {}
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        own = known.setdefault(dataset, {"seconds": 0.0, "methods": {}})
        new = {}
        for cell in cells:
            there = cell.method in own["methods"] or cell.method in new
            if cell.dataset == dataset and not there:
                say(f"measuring the steps of {dataset} {cell.method}")
                new[cell.method] = measure(cell)
        if not own["methods"]:
            own["seconds"] = max(
                found.epoch_seconds * found.epochs for found in new.values()
            )
        for method, found in new.items():
            epochs = max(1, round(own["seconds"] / found.epoch_seconds))
            own["methods"][method] = {
                "epoch_seconds": found.epoch_seconds,
                "epochs": epochs,
            }
            say(
                f"{dataset} {method}: {found.epoch_seconds:.2f} s an epoch, "
                f"{epochs} epochs"
            )
        if new:
            write_json(path, known)
    return {
        cell: known[cell.dataset]["methods"][cell.method]["epochs"]
        for cell in cells
    }


def check_no_own_length(cells):
    """Raises `UserError` if a method has its own epochs or steps."""
    for cell in cells:
        for setting in split_method(cell.method)[2]:
            if setting.partition("=")[0] in ("epochs", "steps"):
                raise UserError(
                    "With --budget compute the epochs of a method follow from "
                    f"its cost, received {cell.method}: leave {setting} out."
                )


def _read(path):
    try:
        found = read_object(path)
    except (OSError, ValueError):
        found = None
    if not fits(found, SHAPE):
        raise UserError(
            f"{path} must be the measured steps of a comparison, but cannot "
            "be read: remove it, and they are measured again."
        )
    return found
