"""The student that a trained cohort ships."""

from keras_css import methods
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.evaluation.students import KINDS
from keras_css.evaluation.students import choose_student
from keras_css.students import cut_student
from keras_css.training.validated import as_arguments
from keras_css.training.validated import measure


def student_of(distiller, name, image_shape=None, validation_data=None):
    """Returns a student as a model; see `OnlineDistiller.student`.

    Args:
        distiller: The `OnlineDistiller`.
        name, image_shape, validation_data: As there.
    """
    if not distiller.built:
        raise UserError(
            "A student is cut out of a cohort that has seen images: call fit "
            "or build first."
        )
    method = distiller.method
    known = method.student_parts()
    if name not in known and name in ("best", *KINDS):
        accuracies = _accuracies(distiller, name, validation_data)
        name = choose_student(name, accuracies)
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


def _accuracies(distiller, wanted, validation_data):
    """Returns each student's validation accuracy with the weights of now."""
    if validation_data is None:
        return distiller.validated.accuracies(distiller, wanted)
    return measure(distiller, as_arguments(validation_data))
