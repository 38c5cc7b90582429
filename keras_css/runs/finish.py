"""The end of a run: what is measured, saved, drawn and told."""

from statistics import median

import keras

from keras_css.copies import take_weights
from keras_css.data.dataset import as_evaluated
from keras_css.evaluation import accuracies_of
from keras_css.evaluation import best_student
from keras_css.evaluation import evaluate_students
from keras_css.evaluation import measure_answers
from keras_css.evaluation import measure_test
from keras_css.evaluation import most_accurate
from keras_css.evaluation import predict_students
from keras_css.evaluation import shipping
from keras_css.evaluation.students import noise
from keras_css.report import make_thumbnails
from keras_css.runs.checkpoints import load_selected
from keras_css.runs.cohort import float32_twin
from keras_css.runs.folder import write_atomically
from keras_css.runs.folder import write_json
from keras_css.runs.report import write_report
from keras_css.runs.rollback import read_rollbacks
from keras_css.students import student_sizes
from keras_css.training.statistics import re_estimate_statistics


def finish(run, rows, selected_entry, seconds):
    """Measures the last and the selected epoch and writes what remains.

    Args:
        run: The `Run`, trained.
        rows: The rows of its `History`.
        selected_entry: What the last checkpoint says of the epoch that
            validation prefers, or None.
        seconds: Function that returns how long the run has taken.

    Returns:
        The contents of `result.json`.
    """
    folder, config, distiller = run.folder, run.config, run.distiller
    dataset = run.dataset
    networks = {**distiller.named_networks, **distiller.method.own_networks}
    candidates = shipping(distiller.student_parts(), config.ship)
    sizes = student_sizes(networks, candidates)
    twin = float32_twin(config, dataset, distiller)
    _settle(run)
    take_weights(twin, distiller)
    # As they are stored, without augmentation: does it fit what it learns?
    train = evaluate_students(
        twin, as_evaluated(dataset.train, dataset.image_shape)
    )
    _, on_validation = predict_students(twin, dataset.validation)
    validation = accuracies_of(on_validation, dataset.validation.labels)
    on_test = predict_students(twin, dataset.test)
    measured, agreement = measure_test(twin, dataset.test, on_test)
    choice = _choice(
        {name: validation[name] for name in sizes},
        sizes,
        len(dataset.validation),
    )
    best = choice["best_student"]
    for name, network in twin.named_networks.items():
        write_atomically(folder.models / f"{name}.keras", network.save)
    write_atomically(
        folder.cohort,
        lambda part: twin.save(part, include_optimizer=False),
    )
    selected = _measure_selected(run, twin, selected_entry)

    epochs = [row["seconds"] for row in rows]
    # The first epoch holds the compilation.
    usual = median(epochs[1:] or epochs)
    result = {
        "method": config.method,
        "dataset": config.dataset,
        "class_names": list(dataset.class_names),
        "backend": keras.backend.backend(),
        "seed": config.seed,
        "epochs": config.epochs,
        "parameters": {
            name: network.count_params()
            for name, network in distiller.named_networks.items()
        },
        "student_parameters": sizes,
        "train": train,
        "validation": validation,
        **measured,
        **choice,
        "answers": measure_answers(
            best, dataset, on_validation[best], on_test[1][best]
        ),
        "selected_epoch": selected,
        "rollbacks": read_rollbacks(folder),
        "seconds": {"total": round(seconds(), 3), "per_epoch": usual},
        "images_per_second": round(
            run.batches.steps_per_epoch * run.batches.batch_size / usual, 1
        ),
    }
    write_json(folder.agreement, agreement)
    write_json(
        folder.thumbnails, make_thumbnails(dataset.test, result["answers"])
    )
    write_report(folder, run.say, result)
    write_json(folder.result, result)
    return result


def _measure_selected(run, twin, entry):
    """Returns the epoch that validation prefers, and what it measures."""
    epoch = load_selected(run.folder, run.distiller, entry)
    if epoch is None:
        run.say(
            "the epoch preferred by validation is lost: reporting the last one"
        )
        epoch = run.config.epochs
    _settle(run)
    take_weights(twin, run.distiller)
    return {
        "epoch": epoch,
        "validation": evaluate_students(twin, run.dataset.validation),
        "test": evaluate_students(twin, run.dataset.test),
    }


def _choice(accuracies, sizes, images):
    """Returns the best student, and how far behind the most accurate it is."""
    best = best_student(accuracies, sizes, images)
    top = most_accurate(accuracies)
    return {
        "best_student": best,
        "most_accurate": {
            "student": top,
            "ahead": accuracies[top] - accuracies[best],
            "noise": noise(accuracies[top], accuracies[best], images),
        },
    }


def _settle(run):
    """Takes BatchNorm's statistics of the averaged weights, if there are."""
    distiller = run.distiller
    if distiller.average_weights:
        # The same images, whether the run was resumed or not.
        run.batches.shuffle(0)
        with distiller.averaged():
            re_estimate_statistics(
                distiller, run.batches, networks=distiller.networks
            )
