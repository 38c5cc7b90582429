"""Loading a finished run and measuring it again."""

import dataclasses

import keras

from keras_css.data import Dataset
from keras_css.data.load import load
from keras_css.errors import ProofError
from keras_css.errors import UserError
from keras_css.evaluation import accuracies_of
from keras_css.evaluation import measure_answers
from keras_css.evaluation import measure_test
from keras_css.evaluation import predict_students
from keras_css.runs.cohort import load_cohort
from keras_css.runs.config import RunConfig
from keras_css.runs.folder import RunFolder
from keras_css.runs.train import check_same_data
from keras_css.training import OnlineDistiller
from keras_css_runtime.shapes import RUN
from keras_css_runtime.shapes import fits
from keras_css_runtime.shapes import is_result


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """What a run folder holds, and the data it was trained on.

    Attributes:
        folder: The `RunFolder`.
        config: The `RunConfig`.
        result: The contents of `result.json`.
        dataset: The `Dataset`.
        distiller: The cohort with the weights of the last epoch.
    """

    folder: RunFolder
    config: RunConfig
    result: dict
    dataset: Dataset
    distiller: OnlineDistiller


def load_run(run_dir, data_dir=None, say=print, changed_data=False):
    """Returns a `FinishedRun`, on any backend, whichever trained it.

    Args:
        run_dir: A complete run folder; nothing in it is changed.
        data_dir: Where the data are now; default where they were.
        say: Function that takes a line for the user.
        changed_data: Whether the data may be others than those of the run;
            pictures that cannot be read are then left out.

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
    for path, whole in (
        (folder.config, fits(stored, RUN)),
        (folder.result, is_result(result)),
    ):
        if not whole:
            raise UserError(
                f"'{path}' must be as a run wrote it, but something in it is "
                "missing or of another kind: restore it, or train again."
            )
    config = RunConfig.from_json(stored["config"])
    if data_dir:
        config = dataclasses.replace(config, data_dir=data_dir)
    if changed_data:
        config = dataclasses.replace(config, on_bad_image="skip")
    dataset = load(config, say)
    if not changed_data:
        check_same_data(stored, dataset)
    return FinishedRun(
        folder,
        config,
        result,
        dataset,
        load_cohort(folder),
    )


def evaluate(run_dir, data_dir=None, say=print):
    """Measures every student of a run on its validation and test parts.

    Args:
        run_dir: A complete run folder.
        data_dir: Where the data are now; default where they were.
        say: Function that takes a line for the user.

    Returns:
        Dict like `result.json`, with `"stored"` holding that file's own and
        `"images"` how many each part has.

    Raises:
        UserError: If the folder holds no complete run.
    """
    run = load_run(run_dir, data_dir, say)
    dataset, best = run.dataset, run.result["best_student"]
    _, on_validation = predict_students(run.distiller, dataset.validation)
    on_test = predict_students(run.distiller, dataset.test)
    measured, _ = measure_test(run.distiller, dataset.test, on_test)
    return {
        "method": run.config.method,
        "dataset": run.config.dataset,
        "class_names": list(dataset.class_names),
        "backend": keras.backend.backend(),
        "validation": accuracies_of(on_validation, dataset.validation.labels),
        **measured,
        "best_student": best,
        "answers": measure_answers(
            best, dataset, on_validation[best], on_test[1][best]
        ),
        "student_parameters": run.result["student_parameters"],
        "images": {
            "validation": len(dataset.validation),
            "test": len(dataset.test),
        },
        "stored": run.result,
    }


def largest_change(found, stored):
    """Returns the largest difference of any accuracy of two results."""
    return max(
        abs(after - before) for *_, before, after in _pairs(found, stored)
    )


def check_same_figures(found):
    """Raises `ProofError` unless the networks do what `result.json` says.

    The data are the run's, so every image must get the answer that it got;
    another backend, or a machine that adds up in another order, may change
    the answers of `changes_allowed` images.

    Args:
        found: What `evaluate` returned.

    Raises:
        ProofError: Names the student whose accuracy is farthest off.
    """
    stored = found["stored"]
    for part in ("validation", "test"):
        strangers = set(stored[part]) ^ set(found[part])
        if strangers:
            raise ProofError(
                f"The saved networks must have the students of result.json, "
                f"but {', '.join(sorted(strangers))} stand in one of them only."
            )

    same_backend = stored.get("backend") == found["backend"]

    def excess(pair):
        part, _, before, after = pair
        count = found["images"][part]
        allowed = changes_allowed(count, same_backend)
        return abs(after - before) * count - allowed

    worst = max(_pairs(found, stored), key=excess)
    if excess(worst) < 0.5:
        return
    part, name, before, after = worst
    count = found["images"][part]
    raise ProofError(
        f"The saved networks must do what result.json says, but {name} has "
        f"{after:.4f} on {part} instead of {before:.4f}: of {count} images "
        f"rounding may change {changes_allowed(count, same_backend)}. The "
        "networks in models/ are not those that were measured: train again."
    )


def changes_allowed(count, same_backend):
    """Returns how many of an accuracy's images may count otherwise.

    An answer may lie between two classes: on the backend of the run one in
    10,000, on another one, and one in 1,000.
    """
    return count // 10_000 if same_backend else 1 + count // 1000


def _pairs(found, stored):
    """Returns `(part, student, accuracy stored, accuracy found)` of all."""
    return [
        (part, name, stored[part][name], found[part][name])
        for part in ("validation", "test")
        for name in stored[part]
        if name in found[part]
    ]
