"""Measuring a finished run again, from its saved networks."""

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
from keras_css.training import OnlineDistiller


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
    result = folder.read_json(folder.result)
    config = RunConfig.from_json(stored["config"])
    dataset = DATASETS.get(config.dataset)(data_dir or config.data_dir)
    if list(dataset.class_names) != stored["class_names"]:
        raise UserError(
            f"The data must have the {len(stored['class_names'])} classes of "
            f"the run, received {dataset.num_classes}: check --data_dir."
        )
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
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} must be a network saved by a run, but cannot be "
                f"loaded: {(str(error) or 'damaged').splitlines()[0]}"
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
