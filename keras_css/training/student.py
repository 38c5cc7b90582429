"""The student that a trained cohort ships."""

from keras_css import methods
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.evaluation.students import KINDS
from keras_css.evaluation.students import choose_student
from keras_css.students import cut_student


def student_of(distiller, name, image_shape=None):
    """Returns a student as a model; see `OnlineDistiller.student`.

    Args:
        distiller: The `OnlineDistiller`.
        name, image_shape: As there.
    """
    if not distiller.built:
        raise UserError(
            "A student is cut out of a cohort that has seen images: call fit "
            "or build first."
        )
    method = distiller.method
    known = method.student_parts()
    if name not in known and name in ("best", *KINDS):
        name = choose_student(name, _validated_accuracies(distiller, name))
    if name not in known:
        raise unknown_name("student", name, ["best", *known])
    networks = {**distiller.named_networks, **method.own_networks}
    student = cut_student(networks, known[name], image_shape)
    used = sorted({network for network, _ in known[name]})
    student.about = {
        "student": name,
        "method": methods.name_of(method),
        "backbones": {n: networks[n].backbone.about() for n in used},
    }
    return student


def _validated_accuracies(distiller, wanted):
    """Returns each student's validation accuracy in the last epoch."""
    history = getattr(distiller, "history", None)
    logs = history.history if history else {}
    found = {
        student: logs[f"val_{student}/accuracy"][-1]
        for student in distiller.method.student_parts()
        if f"val_{student}/accuracy" in logs
    }
    if not found:
        raise UserError(
            f"The '{wanted}' student is chosen on validation data, and the "
            "last fit had none: fit with validation_data or validation_split, "
            f"or name one of {', '.join(distiller.method.student_names)}."
        )
    return found
