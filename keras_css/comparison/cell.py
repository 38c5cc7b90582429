"""One cell of a comparison: a data set, a method and a seed, and its run."""

import dataclasses
import itertools
import pathlib
import re
import shutil

from keras_css.data.catalogue import get_entry
from keras_css.errors import UserError
from keras_css.methods import METHODS
from keras_css.networks import MultiBranchNetwork
from keras_css.runs.config import NETWORKS
from keras_css.runs.config import RunConfig
from keras_css.runs.config import parse_method_options
from keras_css.runs.folder import RunFolder
from keras_css.training import OnlineDistiller
from keras_css_runtime.shapes import CELL
from keras_css_runtime.shapes import fits
from keras_css_runtime.shapes import is_result
from keras_css_runtime.shapes import read_object
from keras_css_runtime.text import composed

# Settings of a run that a method of a comparison may have for itself.
OF_NETWORKS = ("branches", "transformation", "joint_labels")


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
    name, options, method = _method_of(cell)
    _, _, own = split_method(cell.method)
    dataset, data_dir = split_dataset(cell.dataset)
    config = RunConfig(
        **{
            **recipe,
            **({"data_dir": data_dir} if data_dir else {}),
            **cohort_of(cell, [recipe.get(key) for key in NETWORKS]),
            **{key: _setting(key, text) for key, text in own.items()},
        },
        dataset=dataset,
        method=name,
        method_options=options,
        seed=cell.seed,
    )
    # What a method asks of its networks does not depend on the classes.
    networks = [
        MultiBranchNetwork(backbone, 2, **config.network_settings(method))
        for backbone in config.networks
    ]
    OnlineDistiller(networks, method=method)


def cohort_of(cell, named):
    """Returns the backbones of a cell's cohort, as settings of `RunConfig`.

    Args:
        cell: A `Cell`.
        named: List of backbones, `"none"` and None left out; the method's
            cohort takes them in turn. Without any the first one of the data
            set's recipe.
    """
    size = _method_of(cell)[2].cohort_size
    named = [name for name in named if name and name != "none"]
    entry = get_entry(split_dataset(cell.dataset)[0])
    turns = itertools.cycle(named or [entry.recipe.network_a])
    chosen = [*itertools.islice(turns, size), *["none"] * len(NETWORKS)]
    return dict(zip(NETWORKS, chosen))


def _method_of(cell):
    """Returns the name of a cell's method, its options and a new one of it."""
    name, assignments, _ = split_method(cell.method)
    options = parse_method_options(name, assignments)
    return name, options, METHODS.get(name)(**options)


def split_method(text):
    """Returns the parts of `name:name=value+name=value`.

    Returns:
        The method's name, the `name=value` texts of its own options, and a
        dict of the texts of those of `OF_NETWORKS`.
    """
    name, colon, rest = text.partition(":")
    options, settings = [], {}
    for assignment in rest.split("+") if colon else []:
        key, equals, value = assignment.partition("=")
        if equals and key in OF_NETWORKS:
            settings[key] = value
        else:
            options.append(assignment)
    return name, options, settings


def _setting(key, text):
    """Returns the value of one of `OF_NETWORKS`."""
    if key == "transformation":
        return text
    if key == "branches" and text.isdecimal():
        return int(text)
    if key == "joint_labels" and text in ("true", "false"):
        return text == "true"
    kind = {"branches": "a whole number"}.get(key, "true or false")
    raise UserError(f"{key} of a method must be {kind}, received '{text}'.")


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
