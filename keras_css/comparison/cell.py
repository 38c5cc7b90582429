"""One cell of a comparison: a data set, a method and a seed, and its run."""

import dataclasses
import itertools
import pathlib
import re
import shutil

from keras_css.data.catalogue import get_entry
from keras_css.errors import UserError
from keras_css.evaluation import shipping
from keras_css.methods import METHODS
from keras_css.networks import MultiBranchNetwork
from keras_css.runs.config import NETWORKS
from keras_css.runs.config import OF_ONE_METHOD
from keras_css.runs.config import OF_TEACHERS
from keras_css.runs.config import RunConfig
from keras_css.runs.config import parse_settings
from keras_css.runs.folder import RunFolder
from keras_css.runs.method_options import has_option
from keras_css.runs.method_options import parse_method_options
from keras_css.training import OnlineDistiller
from keras_css_runtime.shapes import CELL
from keras_css_runtime.shapes import fits
from keras_css_runtime.shapes import is_result
from keras_css_runtime.shapes import read_object
from keras_css_runtime.text import composed


@dataclasses.dataclass(frozen=True)
class Cell:
    """A data set, a method and a seed.

    Attributes:
        out_dir: Folder of the comparison.
        dataset: As the user wrote it, see `split_dataset`.
        method: As the user wrote it, see `split_method`.
        seed: Of the run.
    """

    out_dir: pathlib.Path
    dataset: str
    method: str
    seed: int

    @property
    def title(self):
        return f"{self.dataset} {self.method} seed {self.seed}"

    @property
    def folder(self):
        """Path of the run folder."""
        place = self.out_dir / "cells" / _safe(self.dataset)
        return place / _safe(self.method) / f"seed-{self.seed}"

    @property
    def log(self):
        """Path of what the training said."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def begun(self):
        """Whether there is a run to go on with."""
        return self.read_config() is not None

    @property
    def finished(self):
        """Whether there is nothing left to train."""
        return fits(self.read_config(), CELL) and self.read_result() is not None

    def read_config(self):
        """Returns the contents of `config.json`, None unless it is whole."""
        found = _read(RunFolder(self.folder).config)
        # No more is asked: a folder without one is removed.
        return found if found and set(found) >= {"config", "data"} else None

    def read_result(self):
        """Returns the contents of `result.json`, None unless it is whole."""
        found = _read(RunFolder(self.folder).result)
        return found if is_result(found) else None

    def keep_small(self):
        """Removes what no table needs of a finished cell: networks, pictures.

        What stays is small enough for a repository, and counts as finished
        wherever it is copied to.
        """
        run = RunFolder(self.folder)
        kept = {run.config, run.result, run.history}
        for path in [*self.folder.iterdir(), self.log]:
            if path in kept:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def remove_broken_files(self):
        """Removes what a crash left that no training can go on from."""
        if not self.begun:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif not self.finished:
            RunFolder(self.folder).result.unlink(missing_ok=True)


def make_cells(out_dir, datasets, methods, seeds):
    """Returns the cells of a grid; each seed meets all methods in turn.

    Args:
        out_dir: Folder of the comparison.
        datasets: List of texts, see `split_dataset`.
        methods: List of texts, see `split_method`.
        seeds: List of integers.

    Raises:
        UserError: If two of them would share a folder.
    """
    for kind, names in (("data sets", datasets), ("methods", methods)):
        places = {}
        for name in names:
            other = places.setdefault(_safe(composed(name)).lower(), name)
            if other != name:
                raise UserError(
                    f"The {kind} of a comparison must have names that differ "
                    f"in a letter or digit, received '{other}' and '{name}': "
                    "compare them in two folders."
                )
    return [
        Cell(pathlib.Path(out_dir), dataset, method, seed)
        for dataset in datasets
        for seed in seeds
        for method in methods
    ]


def check_cell(cell, recipe):
    """Raises `UserError` unless the cell's settings make a cohort.

    Args:
        cell: A `Cell`.
        recipe: Dict of the other settings of `RunConfig`.
    """
    name, options, settings, method = _method_of(cell)
    dataset, data_dir = split_dataset(cell.dataset)
    config = RunConfig(
        **{
            **with_settings(recipe, settings),
            **({"data_dir": data_dir} if data_dir else {}),
            **cohort_of(cell, [recipe.get(key) for key in NETWORKS]),
            **teachers_of(cell, recipe),
        },
        dataset=dataset,
        method=name,
        method_options=options,
        seed=cell.seed,
    )
    if is_taught(cell) and not config.teacher:
        raise UserError(
            f"Method {cell.method} learns from a trained teacher, received "
            "none: give --teacher."
        )
    # What a method asks of its networks does not depend on the classes.
    networks = [
        MultiBranchNetwork(backbone, 2, **config.network_settings(method))
        for backbone in config.networks
    ]
    cohort = OnlineDistiller(networks, method=method)
    shipping(cohort.student_parts(), config.ship)


def cohort_of(cell, named):
    """Returns the backbones of a cell's cohort, as settings of `RunConfig`.

    Args:
        cell: A `Cell`.
        named: List of backbones, `"none"` and None left out; the method's
            cohort takes them in turn. Without any the first one of the data
            set's recipe.
    """
    _, _, settings, method = _method_of(cell)
    named = [name for name in named if name and name != "none"]
    entry = get_entry(split_dataset(cell.dataset)[0])
    turns = itertools.cycle(named or [entry.recipe.network_a])
    size = method.cohort_size
    chosen = [*itertools.islice(turns, size), *["none"] * len(NETWORKS)]
    own = {key: settings[key] for key in NETWORKS if key in settings}
    return {**dict(zip(NETWORKS, chosen)), **own}


def is_taught(cell):
    """Returns whether a cell's method wants the teachers of a comparison.

    Methods that need one do, others where they name what it weighs.
    """
    _, _, settings, method = _method_of(cell)
    return method.wants_teacher or any(name in settings for name in OF_TEACHERS)


def teachers_of(cell, recipe):
    """Returns the teachers of a comparison as settings of a cell: all or none.

    Args:
        cell: A `Cell`.
        recipe: Dict of the settings of all cells.
    """
    if not is_taught(cell):
        return {"teacher": (), "teacher_views": None}
    views = recipe.get("teacher_views")
    return {"teacher": recipe.get("teacher", ()), "teacher_views": views}


def settings_of(cell):
    """Returns the settings of `RunConfig` that a cell's method names."""
    return parse_settings(split_method(cell.method)[2])


def _method_of(cell):
    """Returns a cell's method by name, options, settings, and a new one."""
    name, assignments, settings = split_method(cell.method)
    options = parse_method_options(name, assignments)
    settings = parse_settings(settings)
    return name, options, settings, METHODS.get(name)(**options)


def split_method(text):
    """Returns name, options and settings of `name:name=value+name=value`.

    Both are lists of `name=value` texts. What the method has as an argument
    is an option; another name of `OF_ONE_METHOD` is a setting of the run.
    """
    name, colon, rest = text.partition(":")
    options, settings = [], []
    for assignment in rest.split("+") if colon else []:
        key = assignment.partition("=")[0]
        is_setting = key in OF_ONE_METHOD and not has_option(name, key)
        (settings if is_setting else options).append(assignment)
    return name, options, settings


def with_settings(recipe, settings):
    """Returns a comparison's recipe with what one method has of its own."""
    length = {"epochs", "steps"}
    if length & set(settings):
        recipe = {k: v for k, v in recipe.items() if k not in length}
    return {**recipe, **settings}


def split_dataset(text):
    """Returns name and folder or file of `name=path`, None without it."""
    name, _, path = text.partition("=")
    return name, path or None


def _safe(text):
    """Returns a text as the name of a folder on any system."""
    return re.sub(r"[^\w.=+-]", "-", text).strip(".")


def _read(path):
    try:
        return read_object(path)
    except (OSError, ValueError):
        return None
