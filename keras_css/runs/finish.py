"""The end of a run: what is measured, saved, drawn and told."""

import importlib.util
import time
from statistics import median

import keras

from keras_css.copies import take_weights
from keras_css.evaluation import best_student
from keras_css.evaluation import evaluate_students
from keras_css.evaluation import measure_test
from keras_css.evaluation import most_accurate
from keras_css.evaluation import shipping
from keras_css.evaluation.figures import draw_agreement
from keras_css.evaluation.figures import draw_curves
from keras_css.evaluation.report import write_report
from keras_css.evaluation.students import noise
from keras_css.runs.checkpoints import load_selected
from keras_css.runs.folder import write_atomically
from keras_css.runs.folder import write_json
from keras_css.runs.rollback import read_rollbacks
from keras_css.students import student_sizes
from keras_css.training.statistics import re_estimate_statistics


def finish(
    folder,
    config,
    distiller,
    twin,
    splits,
    class_names,
    rows,
    selected_entry,
    batches,
    began,
    say,
):
    """Measures the last and the selected epoch and writes what remains."""
    networks = {**distiller.named_networks, **distiller.method.own_networks}
    candidates = shipping(distiller.student_parts(), config.ship)
    sizes = student_sizes(networks, candidates)
    images = len(splits["validation"])
    _settle(distiller, batches)
    take_weights(twin, distiller)
    # As they are stored, without augmentation: does it fit what it learns?
    train = evaluate_students(twin, splits.pop("train"))
    validation = evaluate_students(twin, splits["validation"])
    measured, agreement = measure_test(twin, splits["test"])
    for name, network in twin.named_networks.items():
        write_atomically(folder.models / f"{name}.keras", network.save)
    write_atomically(
        folder.cohort,
        lambda part: twin.save(part, include_optimizer=False),
    )
    selected_epoch = load_selected(folder, distiller, selected_entry)
    if selected_epoch is None:
        say("the epoch preferred by validation is lost: reporting the last one")
        selected_epoch = config.epochs
    _settle(distiller, batches)
    take_weights(twin, distiller)
    selected = {
        part: evaluate_students(twin, split) for part, split in splits.items()
    }

    seconds = [row["seconds"] for row in rows]
    # The first epoch holds the compilation.
    usual = median(seconds[1:] or seconds)
    result = {
        "method": config.method,
        "dataset": config.dataset,
        "class_names": list(class_names),
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
        **_choice({n: validation[n] for n in sizes}, sizes, images),
        "selected_epoch": {"epoch": selected_epoch, **selected},
        "rollbacks": read_rollbacks(folder),
        "seconds": {
            "total": round(time.perf_counter() - began, 3),
            "per_epoch": usual,
        },
        "images_per_second": round(
            batches.steps_per_epoch * batches.batch_size / usual, 1
        ),
    }
    write_json(folder.agreement, agreement)
    pictures = _draw(folder, rows, agreement, say)
    stored = folder.read_json(folder.config)
    write_atomically(
        folder.report,
        lambda part: write_report(part, result, stored["config"], pictures),
    )
    write_json(folder.result, result)
    return result


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


def _settle(distiller, batches):
    """Takes BatchNorm's statistics of the averaged weights, if there are."""
    if distiller.average_weights:
        # The same images, whether the run was resumed or not.
        batches.shuffle(0)
        with distiller.averaged():
            re_estimate_statistics(
                distiller, batches, networks=distiller.networks
            )


def _draw(folder, rows, agreement, say):
    """Draws the run's figures and returns dict from what they show to path."""
    if not importlib.util.find_spec("matplotlib"):
        say("no figures: matplotlib is not installed")
        return {}
    curves = folder.figures / "curves.png"
    write_atomically(curves, lambda part: draw_curves(rows, part))
    pictures = {"loss and accuracy": curves}
    if len(agreement["students"]) > 1:
        heat_map = folder.figures / "agreement.png"
        write_atomically(heat_map, lambda part: draw_agreement(agreement, part))
        pictures["disagreement of branches"] = heat_map
    return pictures
