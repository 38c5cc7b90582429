"""How good every student of a cohort is."""

import math
import pathlib

import keras
import numpy as np
from keras import ops

from keras_css.data.batches import EvaluationBatches
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.evaluation.agreement import pairwise_agreement
from keras_css.evaluation.answers import choose_threshold
from keras_css.evaluation.answers import describe_answers
from keras_css.evaluation.calibration import describe_calibration
from keras_css.evaluation.calibration import expected_calibration_error
from keras_css.evaluation.calibration import fit_temperature
from keras_css.evaluation.diversity import diversity

# Behind the name of a student with averaged weights.
AVERAGED = "/averaged"


def student_kind(name):
    """Returns 0 for a branch, 1 for a network, 2 for the ensemble: its cost."""
    name = name.removesuffix(AVERAGED)
    if name == "ensemble":
        return 2
    return 0 if "/" in name else 1


def most_accurate(accuracies):
    """Returns the name of the most accurate student, the cheapest of equals.

    A main branch has no transformation to compute: it is cheaper than others.

    Args:
        accuracies: Dict from student name to validation accuracy.
    """

    def rank(name):
        return (-accuracies[name], student_kind(name), _transformed(name))

    return min(accuracies, key=rank)


def best_student(accuracies, sizes, images):
    """Returns the cheapest student that is not shown to be less accurate.

    One whose validation accuracy lies within `noise` of the highest. Of
    several with as many parameters the untransformed, then the most accurate.

    Args:
        accuracies: Dict from student name to validation accuracy.
        sizes: Dict from student name to its number of parameters.
        images: Validation images.
    """
    highest = max(accuracies.values())

    def rank(name):
        kind = student_kind(name)
        return (sizes[name], _transformed(name), kind, -accuracies[name])

    near = [
        name
        for name, accuracy in accuracies.items()
        if highest - accuracy <= noise(highest, accuracy, images)
    ]
    return min(near, key=rank)


def noise(one, other, images):
    """Returns one standard error of the difference of two accuracies.

    sqrt((p (1 - p) + q (1 - q)) / n), as if each had n images of its own:
    more than that of students who err on the same images.
    """
    return math.hypot(
        standard_error(one, images), standard_error(other, images)
    )


def standard_error(accuracy, images):
    """Returns the standard error of an accuracy measured on n images.

    sqrt(p (1 - p) / n): how far another test part of this size would lead.
    """
    return math.sqrt(accuracy * (1 - accuracy) / images)


def _transformed(name):
    return not name.removesuffix(AVERAGED).endswith("/main")


def shipping(parts, ship="all"):
    """Returns the students that may ship: those of such networks alone.

    Args:
        parts: Dict as of `OnlineDistiller.student_parts`.
        ship: Names of the networks that may, a list or with commas; "all".

    Raises:
        UserError: If there is no such network, or no student is left.
    """
    if ship == "all":
        return parts
    ship = ship.split(",") if isinstance(ship, str) else list(ship)
    known = {network for members in parts.values() for network, _ in members}
    for name in ship:
        if name not in known:
            raise unknown_name("network to ship", name, sorted(known))
    found = {
        name: members
        for name, members in parts.items()
        if all(network in ship for network, _ in members)
    }
    if not found:
        raise UserError(
            "At least one student must consist of networks that may ship, "
            f"received {', '.join(ship) or 'none'}: name more networks."
        )
    return found


# In the order of `student_kind`.
KINDS = ("branch", "network", "ensemble")
WORDS = ("best", "accuracy", *KINDS[:2])


def choose_student(word, accuracies, sizes, images):
    """Returns the student that a word stands for.

    Args:
        word: `"best"`, see `best_student`; `"accuracy"`, the most accurate
            one; `"branch"` or `"network"`, the most accurate of its kind; or
            a student's name.
        accuracies, sizes, images: As of `best_student`.

    Raises:
        UserError: If there is no such student; the known ones are listed.
    """
    if word in accuracies:
        return word
    if word == "best":
        return best_student(accuracies, sizes, images)
    of_kind = {
        name: accuracy
        for name, accuracy in accuracies.items()
        if word in ("accuracy", KINDS[student_kind(name)])
    }
    if of_kind:
        return most_accurate(of_kind)
    raise unknown_name("student", word, [*WORDS, *accuracies])


def evaluate_students(distiller, split, batch_size=128):
    """Measures every student on a split.

    Args:
        distiller: A built `OnlineDistiller`.
        split: A `keras_css.data.Split`, not empty.
        batch_size: Most images a step.

    Returns:
        Dict from student name to accuracy, a fraction of 1; every image
        counts the same.
    """
    _, students = predict_students(distiller, split, batch_size)
    return accuracies_of(students, split.labels)


def measure_test(distiller, split, predictions):
    """Measures a cohort on the test part.

    Args:
        distiller: The built `OnlineDistiller`.
        split: The test part, a `keras_css.data.Split`, not empty.
        predictions: What `predict_students` returned for it.

    Returns:
        `(measured, agreement)`. `measured` is what `result.json` says of the
        test part: `test` and `calibration_error`, dicts from student name to
        accuracy and ECE, and `diversity`, what `diversity` says of the
        networks' branches and the means of the agreement. `agreement` is
        `pairwise_agreement` of all students that are single branches.
    """
    outputs, students = predictions
    branches = {
        name: logits
        for name, logits in students.items()
        if KINDS[student_kind(name)] == "branch" and not name.endswith(AVERAGED)
    }
    agreement = pairwise_agreement(branches, split.labels)
    networks = {
        name: outputs[name]["logits"] for name in distiller.named_networks
    }
    measured = {
        "test": accuracies_of(students, split.labels),
        "calibration_error": {
            name: expected_calibration_error(logits, split.labels)
            for name, logits in students.items()
        },
        "diversity": {
            **diversity(networks, distiller.method.num_classes),
            **agreement["means"],
        },
    }
    return measured, agreement


def measure_answers(student, dataset, on_validation, on_test):
    """Measures what one student answers on the test part.

    Args:
        student: Its name.
        dataset: The `keras_css.data.Dataset`.
        on_validation: Its logits of the validation part, which decide the
            temperature that mends its calibration and the threshold to
            advise.
        on_test: Its logits of the test part.

    Returns:
        Dict of `student`, all of `describe_answers`, and `calibration` as of
        `describe_calibration`; `advised_below`, see `choose_threshold`. Its
        `classes` have `training_images`, too.
    """
    test, classes = dataset.test, dataset.num_classes
    names = [_short_name(test.name(row)) for row in range(len(test))]
    found = describe_answers(on_test, test.labels, classes, names)
    counts = np.bincount(dataset.train.labels, minlength=classes)
    found["classes"]["training_images"] = counts.tolist()
    kept = dataset.validation.labels
    temperature = fit_temperature(on_validation, kept)
    return {
        "student": student,
        **found,
        "advised_below": choose_threshold(on_validation, kept),
        "calibration": describe_calibration(on_test, test.labels, temperature),
    }


def _short_name(name):
    """Returns a file's name and folder: those above may name its owner."""
    return "/".join(pathlib.PurePath(name).parts[-2:])


def predict_students(distiller, split, batch_size=128):
    """Returns what a cohort makes of a split, in one pass over it.

    Args:
        distiller: A built `OnlineDistiller`.
        split: A `keras_css.data.Split`, not empty.
        batch_size: Most images a step.

    Returns:
        `(outputs, students)`: those of the networks, as of
        `OnlineDistiller.predict_outputs`, and a dict from each student's name
        to its logits `(N, C)`.
    """
    batches = EvaluationBatches(split, batch_size)
    outputs = distiller.predict_outputs(batches, verbose=0)
    students = students_of(distiller.method, outputs)
    if distiller.average_weights:
        with distiller.averaged():
            found = distiller.predict(batches, verbose=0)
        for name in distiller.student_parts():
            if name.endswith(AVERAGED):
                students[name] = found[name.removesuffix(AVERAGED)]
    return outputs, students


def students_of(method, outputs):
    """Returns every student's logits as NumPy arrays `(N, C)`.

    Args:
        method: The cohort's `Method`.
        outputs: What `OnlineDistiller.predict_outputs` returned.
    """
    tensors = keras.tree.map_structure(ops.convert_to_tensor, outputs)
    return {
        name: ops.convert_to_numpy(logits)
        for name, logits in method.students(tensors).items()
    }


def accuracies_of(students, labels):
    """Returns dict from student name to accuracy.

    Args:
        students: Dict from name to logits `(N, C)`.
        labels: Integer array `(N,)`.
    """
    return {
        name: float(np.mean(logits.argmax(axis=-1) == labels))
        for name, logits in students.items()
    }
