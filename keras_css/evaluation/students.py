"""How good every student of a cohort is."""

import numpy as np

from keras_css.data.batches import EvaluationBatches
from keras_css.errors import unknown_name
from keras_css.evaluation.diversity import diversity


def student_kind(name):
    """Returns 0 for a branch, 1 for a network, 2 for the ensemble: its cost."""
    if name == "ensemble":
        return 2
    return 0 if "/" in name else 1


def best_student(accuracies):
    """Returns the name of the most accurate student, the cheapest of equals.

    Args:
        accuracies: Dict from student name to validation accuracy.
    """
    return min(
        accuracies, key=lambda name: (-accuracies[name], student_kind(name))
    )


# In the order of `student_kind`.
KINDS = ("branch", "network", "ensemble")


def choose_student(word, accuracies):
    """Returns the student that a word stands for.

    Args:
        word: `"best"`, the most accurate one; `"branch"` or `"network"`, the
            most accurate of its kind; or a student's name.
        accuracies: Dict from student name to validation accuracy.

    Raises:
        UserError: If there is no such student; the known ones are listed.
    """
    if word in accuracies:
        return word
    if word == "best":
        return best_student(accuracies)
    if word in KINDS:
        kind = KINDS.index(word)
        of_kind = {
            name: accuracy
            for name, accuracy in accuracies.items()
            if student_kind(name) == kind
        }
        if of_kind:
            return best_student(of_kind)
    raise unknown_name("student", word, [*KINDS[:2], "best", *accuracies])


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
    students = distiller.predict(
        EvaluationBatches(split, batch_size), verbose=0
    )
    return {
        name: float(np.mean(logits.argmax(axis=-1) == split.labels))
        for name, logits in students.items()
    }


def measure_diversity(distiller, split, batch_size=128):
    """Returns `diversity` of the cohort's branches on the images of a split."""
    outputs = distiller.predict_outputs(
        EvaluationBatches(split, batch_size), verbose=0
    )
    logits = {name: output["logits"] for name, output in outputs.items()}
    return diversity(logits, distiller.method.num_classes)
