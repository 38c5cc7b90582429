"""Measuring a finished run again, from its saved networks."""

import zipfile

import keras
import numpy as np

from keras_css import methods
from keras_css.data import DATASETS
from keras_css.data import split_off_validation
from keras_css.errors import UserError
from keras_css.evaluation import evaluate_students
from keras_css.evaluation import measure_diversity
from keras_css.runs.config import RunConfig
from keras_css.runs.folder import RunFolder
from keras_css.runs.train import check_same_data
from keras_css.training import OnlineDistiller

# What Keras, zipfile and h5py raise for files that are not what they seem.
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(zipfile.BadZipFile, RuntimeError, EOFError),
)


def evaluate(run_dir, data_dir=None):
    """Measures every student of a run on its validation and test parts.

    Works on any backend, whichever trained the run, and changes nothing in
    the folder.

    Args:
        run_dir: A complete run folder.
        data_dir: Where the data are now; default where they were.

    Returns:
        Dict like `result.json`, with `"stored"` holding that file's own.

    Raises:
        UserError: If the folder holds no complete run.
    """
    folder = RunFolder(run_dir)
    stored = folder.read_json(folder.config)
    if folder.config.exists() and not folder.result.exists():
        raise UserError(
            f"'{run_dir}' must be a finished run, but has no result.json: "
            "finish it with train --resume."
        )
    result = folder.read_json(folder.result)
    missing = {"config", "data"} - set(stored)
    missing |= {"validation", "test", "best_student"} - set(result)
    if missing:
        raise UserError(
            f"config.json and result.json of '{run_dir}' must be as a run "
            f"wrote them, but {', '.join(sorted(missing))} is missing."
        )
    config = RunConfig.from_json(stored["config"])
    dataset = DATASETS.get(config.dataset)(data_dir or config.data_dir)
    check_same_data(stored, dataset)
    _, validation = split_off_validation(
        dataset.train, config.validation_fraction, config.seed
    )
    distiller = load_cohort(folder, config)
    return {
        "method": config.method,
        "dataset": config.dataset,
        "backend": keras.backend.backend(),
        "validation": evaluate_students(distiller, validation),
        "test": evaluate_students(distiller, dataset.test),
        "diversity": measure_diversity(distiller, dataset.test),
        "best_student": result["best_student"],
        "stored": result,
    }


def load_cohort(folder, config):
    """Returns the `OnlineDistiller` of a run's saved networks.

    Args:
        folder: The `RunFolder`.
        config: Its `RunConfig`.

    Raises:
        UserError: If a saved network is missing or damaged.
    """
    names = ["network_a", "network_b"][: 1 + (config.network_b != "none")]
    networks = []
    for name in names:
        path = folder.models / f"{name}.keras"
        try:
            networks.append(keras.saving.load_model(path, safe_mode=True))
        except UNREADABLE as error:
            state = "damaged" if path.exists() else "missing"
            raise UserError(
                f"{path} must be a network saved by a run, but is {state}: "
                "train again in a new folder."
            ) from error
    return OnlineDistiller(
        networks,
        method=methods.METHODS.get(config.method)(**config.method_options),
    )


def largest_change(found, stored):
    """Returns the largest difference of any accuracy of two results."""
    return float(
        np.max(
            [
                abs(found[part][name] - stored[part][name])
                for part in ("validation", "test")
                for name in stored[part]
            ]
        )
    )
