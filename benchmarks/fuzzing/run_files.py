"""Hostile files of run folders and comparisons."""

import functools
import hashlib
import json
import pathlib
import shutil

import keras
import numpy as np

import keras_css
from fuzzing.arrays import spoil_npz
from fuzzing.mutations import json_bytes
from fuzzing.mutations import spoil_bytes
from fuzzing.mutations import spoil_json
from fuzzing.mutations import spoil_text
from fuzzing.reader import Reader
from fuzzing.reader import silent
from keras_css.backbones.backbone import Backbone
from keras_css.comparison.cell import make_cells
from keras_css.comparison.facts import gather_facts
from keras_css.comparison.folder import complete_grid
from keras_css.comparison.folder import remember
from keras_css.comparison.markdown import to_markdown
from keras_css.comparison.table import student_rows
from keras_css.comparison.table import summary_rows
from keras_css.data import load_dataset
from keras_css.runs.checkpoints import restore
from keras_css.runs.checkpoints import write_state
from keras_css.runs.config import RunConfig
from keras_css.runs.evaluate import load_run
from keras_css.runs.folder import RunFolder
from keras_css.runs.folder import json_text
from keras_css.runs.history import read_history
from keras_css.runs.rollback import rate_factor
from keras_css.runs.rollback import read_rollbacks
from keras_css.runs.variables import load_values
from keras_css.runs.variables import save_values
from keras_css.runs.variables import values_of

ACCURACIES = {"network_a": 0.5, "network_a/branch_0": 0.75, "ensemble": 0.5}
RESULT = {
    "method": "css",
    "dataset": "digits",
    "best_student": "network_a/branch_0",
    "validation": ACCURACIES,
    "test": ACCURACIES,
    "selected_epoch": {
        "epoch": 2,
        "validation": ACCURACIES,
        "test": ACCURACIES,
    },
    "student_parameters": dict.fromkeys(ACCURACIES, 100),
    "seconds": {"total": 3.0, "per_epoch": 1.0},
    "rollbacks": [],
}
DATA = {
    "class_names": ["ant", "bee"],
    "image_shape": [8, 8, 1],
    "training_images": 8,
    "validation_images": 2,
    "test_images": 2,
    "content": "0f",
}
METRICS = ("accuracy", "loss", "val_network_a/accuracy")
HISTORY = "\n".join(
    [
        f"epoch,seconds,learning_rate,{','.join(METRICS)}",
        *(f"{i},1.5,0.1,0.5,1.0,0.25" for i in range(1, 5)),
    ]
)


@functools.cache
def _digits():
    return load_dataset("digits", say=silent)


@functools.cache
def _config():
    return RunConfig(epochs=3).complete(_digits()).to_json()


def _stored():
    return {
        "config": _config(),
        "backend": "torch",
        "data": DATA,
        "versions": {"keras": "3"},
        "date": "2026-01-01",
        "machine": {"processor": "x", "cores": 2, "gpu": None, "system": "L"},
    }


def _make_config(rng, folder):
    (folder / "config.json").write_bytes(json_bytes(rng, _config()))


def _read_config(folder):
    values = RunFolder(folder).read_json(folder / "config.json")
    config = RunConfig.from_json(values).complete(_digits())
    _ = (config.networks, config.weights, config.to_json())


def _make_history(rng, folder):
    (folder / "history.csv").write_bytes(spoil_text(rng, HISTORY))


def _read_history(folder):
    for row in read_history(folder / "history.csv"):
        row["epoch"] + row["seconds"]


def _make_run(rng, folder):
    for name, value in (
        ("config.json", _stored()),
        ("result.json", RESULT),
        ("rollbacks.json", {"rollbacks": [{"reason": "x"}]}),
    ):
        (folder / name).write_bytes(json_bytes(rng, value))


def _read_run(folder):
    """Each file by itself, so that all are read."""
    run = RunFolder(folder)
    for read in (
        lambda: load_run(folder, say=silent),
        lambda: read_rollbacks(run),
        lambda: rate_factor(run),
    ):
        _refusable(read)


def _refusable(read):
    try:
        read()
    except keras_css.UserError as error:
        if not str(error).isprintable() or len(str(error)) > 4000:
            raise AssertionError("not one line") from error


def _make_comparison(rng, folder):
    settings = dict(_config())
    for key in ("dataset", "method", "method_options", "seed"):
        del settings[key]
    grid = {"datasets": ["digits"], "methods": ["css"], "seeds": [0, 1]}
    stored = {"settings": {"backend": "torch", **settings}, "grid": grid}
    spoilt = json.dumps(stored).encode()
    if rng.random() < 0.5:
        spoilt = json_bytes(rng, stored)
    (folder / "compare.json").write_bytes(spoilt)
    for seed in (0, 1):
        place = folder / "cells" / "digits" / "css" / f"seed-{seed}"
        place.mkdir(parents=True)
        for name, value in (("config", _stored()), ("result", RESULT)):
            data = json.dumps(value).encode()
            if rng.random() < 0.3:
                data = json_bytes(rng, value)
            (place / f"{name}.json").write_bytes(data)


def _read_comparison(folder):
    named = dict.fromkeys(("datasets", "methods", "seeds"))
    grid = {"datasets": ["digits"], "methods": ["css"], "seeds": [0, 1]}
    recipe = {"epochs": 3}
    _refusable(lambda: make_cells(folder, **complete_grid(folder, named)))
    _refusable(lambda: remember(folder, "torch", recipe, grid))
    cells = make_cells(folder, **grid)
    _refusable(lambda: _tables(cells))


def _tables(cells):
    """Makes the texts of `write_tables`, without its picture, which is slow."""
    results = {cell: cell.read_result() for cell in cells if cell.finished}
    configs = {cell: cell.read_config() for cell in results}
    facts = gather_facts(configs, "torch", 1)
    summary, rows = summary_rows(results), student_rows(results)
    to_markdown(facts, summary, rows, []).encode()
    json_text([facts, *(row.to_json() for row in (*summary, *rows))]).encode()


@keras.saving.register_keras_serializable(package="fuzzing")
class _Small(Backbone):
    """One convolution a stage."""

    feature_dim = 3

    def stages(self):
        import keras

        return [keras.layers.Conv2D(3, 3) for _ in range(2)]


@functools.cache
def _distiller():
    networks = [
        keras_css.MultiBranchNetwork(_Small(1), num_classes=2) for _ in range(2)
    ]
    distiller = keras_css.OnlineDistiller(networks, method="css")
    distiller.compile(keras_css.SGD(0.1, momentum=0.9))
    distiller.build((None, 8, 8, 1))
    distiller.optimizer.build(distiller.trainable_variables)
    return distiller


@functools.cache
def _checkpoint(place):
    """Returns a folder with two checkpoints and their entries."""
    from keras_css.runs.checkpoints import checkpointed
    from keras_css.runs.checkpoints import random_states

    path = pathlib.Path(place)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    values = values_of(checkpointed(_distiller()))
    entries = []
    for epoch in (1, 2):
        name = f"epoch_{epoch:04d}.npz"
        save_values(path / name, values)
        entries.append(
            {
                "epoch": epoch,
                "step": 0,
                "seconds": 0,
                "file": name,
                "sha256": _sum(path / name),
                "random_states": [
                    np.array(v).tolist() for v in random_states(_distiller())
                ],
                "metrics": [],
                "selected": None,
            }
        )
    return path, entries


def _sum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _make_checkpoints(rng, folder):
    source, entries = _checkpoint(str(folder.parent / "checkpoint-seed"))
    shutil.copytree(source, folder / "checkpoints")
    place = folder / "checkpoints"
    run = RunFolder(folder)
    write_state(run, entries[:1])
    write_state(run, entries)
    kind = rng.randrange(4)
    state = {"sha256": "", "epochs": entries}
    if kind == 0:
        (place / "state.json").write_bytes(json_bytes(rng, state))
    elif kind == 1:
        # As somebody writes it who can compute a checksum.
        changed = spoil_json(rng, entries)
        try:
            digest = hashlib.sha256(json_text(changed).encode()).hexdigest()
        except (ValueError, UnicodeError):
            digest = ""
        text = json.dumps({"sha256": digest, "epochs": changed})
        (place / "state.json").write_bytes(text.encode())
    else:
        name = rng.choice(("epoch_0001.npz", "epoch_0002.npz", "state.json"))
        data = (place / name).read_bytes()
        (place / name).write_bytes(spoil_bytes(rng, data))
        if rng.random() < 0.2:
            (place / "state.json").unlink()


def _read_checkpoints(folder):
    restore(RunFolder(folder), _distiller(), silent)


def _make_values(rng, folder):
    source, _ = _checkpoint(str(folder.parent / "checkpoint-seed"))
    with np.load(source / "epoch_0001.npz") as file:
        arrays = {name: file[name] for name in file.files}
    (folder / "epoch.npz").write_bytes(spoil_npz(rng, arrays))


def _read_values(folder):
    from keras_css.runs.checkpoints import checkpointed

    load_values(folder / "epoch.npz", checkpointed(_distiller()))


READERS = [
    Reader("run_config", _make_config, _read_config),
    Reader("run_history", _make_history, _read_history),
    Reader("run_json", _make_run, _read_run),
    Reader("comparison", _make_comparison, _read_comparison),
    Reader("checkpoint_state", _make_checkpoints, _read_checkpoints),
    Reader("checkpoint_values", _make_values, _read_values),
]
