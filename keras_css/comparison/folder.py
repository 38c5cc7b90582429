"""The folder of a comparison: its settings, and one call at a time."""

import contextlib
import json
import pathlib

from keras_css.errors import UserError
from keras_css.runs.config import RunConfig
from keras_css.runs.folder import write_json
from keras_css.runs.lock import LOCK
from keras_css.runs.lock import locked as lock_folder
from keras_css_runtime.shapes import GRID
from keras_css_runtime.shapes import fits
from keras_css_runtime.shapes import read_object

# Where a machine has data and teachers, which are compared by their contents.
OF_PLACE = ("data_dir", "download", "teacher")
OF_A_CELL = ("dataset", "method", "method_options", "seed")
FIRST_GRID = {
    "datasets": ["digits"],
    "methods": ["independent", "css"],
    "seeds": [0, 1, 2],
}
SETTINGS = "compare.json"


@contextlib.contextmanager
def locked(out_dir):
    """Makes the folder and keeps other calls out while the context lasts.

    Yields a file descriptor. A child that inherits it keeps the lock, so that
    trainings which outlive a killed call are not started again beside.

    Raises:
        UserError: If another call is at work there, or it is a file.
    """
    out_dir = pathlib.Path(out_dir)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            f"--out_dir must be a folder, but '{out_dir}' is a file or lies "
            "in one: name another place."
        ) from None
    with lock_folder(out_dir, "comparison") as descriptor:
        yield descriptor


def complete_grid(out_dir, named):
    """Returns a grid in which nothing is left open.

    Args:
        out_dir: The folder, which need not exist.
        named: Dict of the lists `datasets`, `methods` and `seeds`; None stands
            for all that earlier calls named there, else for `FIRST_GRID`.

    Raises:
        UserError: If the settings of earlier calls cannot be read.
    """
    path = pathlib.Path(out_dir) / SETTINGS
    known = _read(path)["grid"] if path.exists() else FIRST_GRID
    return {name: named[name] or known[name] for name in FIRST_GRID}


def remember(out_dir, backend, recipe, grid, budget="epochs"):
    """Writes `compare.json`, whose recipe never changes while its grid grows.

    Args:
        out_dir: The folder, which exists.
        backend: Of Keras.
        recipe: Dict of settings of `RunConfig` but those of a cell.
        grid: Dict of the lists `datasets`, `methods` and `seeds`.
        budget: A name of `BUDGETS`.

    Returns:
        The grid of all calls so far.

    Raises:
        UserError: If the folder was begun with other settings, or holds
            something else.
    """
    path = pathlib.Path(out_dir) / SETTINGS
    settings = {"backend": backend, "budget": budget, **_complete(recipe)}
    if path.exists():
        stored = _read(path)
        _refuse_changes(path.parent, stored["settings"], settings)
        grid = {
            name: list(dict.fromkeys([*stored["grid"][name], *grid[name]]))
            for name in FIRST_GRID
        }
    elif any(other.name != LOCK for other in path.parent.iterdir()):
        raise UserError(
            f"--out_dir must be new, empty or a comparison, but '{out_dir}' "
            "holds other files: name another place."
        )
    write_json(path, {"settings": settings, "grid": grid})
    return grid


def _complete(recipe):
    """Returns a recipe as JSON keeps it, every setting named."""
    values = RunConfig.from_json(recipe).to_json()
    kept = {key: v for key, v in values.items() if key not in OF_A_CELL}
    return json.loads(json.dumps(kept))


def _read(path):
    """Returns the contents of a `compare.json`, complete."""
    try:
        stored = read_object(path)
        if not fits(stored, {"settings": {"backend": str}, "grid": GRID}):
            raise ValueError("settings or grid of the wrong kind")
        settings = dict(stored["settings"])
        own = {
            "backend": settings.pop("backend"),
            # Those of before had equal epochs.
            "budget": settings.pop("budget", "epochs"),
        }
        return {
            "settings": {**own, **_complete(settings)},
            "grid": {name: list(stored["grid"][name]) for name in FIRST_GRID},
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} must be the settings of a comparison, but cannot be "
            f"read ({error}): name another --out_dir."
        ) from error


def _refuse_changes(out_dir, then, now):
    changed = [
        name
        for name in now
        if now[name] != then.get(name) and name not in OF_PLACE
    ]
    if changed:
        name = changed[0]
        raise UserError(
            f"--{name} must be that of the comparison in '{out_dir}', "
            f"{_shown(then.get(name))}, received {_shown(now[name])}: one "
            "recipe holds for all cells; give it again, or name another "
            "--out_dir."
        )


def _shown(value):
    return "the default" if value is None else value
