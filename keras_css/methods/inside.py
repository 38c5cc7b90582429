"""What methods that look inside a trained teacher have in common."""

from keras import ops

from keras_css.errors import UserError
from keras_css.means import mean
from keras_css.methods.distillation import Distillation
from keras_css.methods.distillation import check_plain
from keras_css.teachers.inside import OpenTeacher
from keras_css_runtime.settings import NOT_NEGATIVE


class InsideDistillation(Distillation):
    """A method that learns from the layers of one teacher, too.

    What joins the teacher's layers to the networks' are weights of the method,
    made by `join`. Their widths are saved, so that a cohort can be loaded and
    measured without the teacher.

    Args:
        temperature: T of the predictions.
        ce_weight: Of the cross-entropy.
        kd_weight: Of the teacher's predictions.
        teacher_layers: Names of the teacher's layers, parted by commas;
            without, those that the method says.

    Raises:
        UserError: If there are several teachers, or one does not have the
            layers, or other widths than the one before.
    """

    cohort_size = 1
    wants_teacher = True
    looks_inside = True
    kept = (*Distillation.kept, "teacher_widths")
    rules = {"ce_weight": NOT_NEGATIVE, "kd_weight": NOT_NEGATIVE}

    def __init__(
        self, temperature, ce_weight, kd_weight, teacher_layers="", **kwargs
    ):
        super().__init__(temperature, **kwargs)
        self.ce_weight = ce_weight
        self.kd_weight = kd_weight
        self.teacher_layers = teacher_layers
        self.teacher_widths = None

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=1, most=1)
        self.look_at(networks)
        if self.teacher_widths is not None:
            self.join(self.teacher_widths)

    def look_at(self, networks):
        """Takes from the networks what `join` needs.

        Args:
            networks: Dict from name to network.
        """

    def open_teacher(self, teacher, layers):
        """Returns an `OpenTeacher`.

        Args:
            teacher: The `Teacher`.
            layers: Names of its layers, may be none.
        """
        return OpenTeacher(teacher, layers)

    def join(self, widths):
        """Makes the layers that the teacher's are joined by.

        Args:
            widths: List of the channels of the teacher's layers.
        """
        raise NotImplementedError(f"{type(self).__name__} must define join.")

    def meet_teachers(self, teachers):
        if not teachers:
            return teachers
        title = type(self).__name__
        if len(teachers) != 1:
            raise UserError(
                f"{title} looks inside one teacher, received {len(teachers)}: "
                "give --teacher once."
            )
        names = [one.strip() for one in self.teacher_layers.split(",")]
        teacher = self.open_teacher(teachers[0], [one for one in names if one])
        if self.teacher_widths is None:
            if self.built:
                raise UserError(
                    f"{title} joins its networks to a teacher when the cohort "
                    "is built, received none then: give it to OnlineDistiller."
                )
            self.join(teacher.widths)
            self.teacher_widths = list(teacher.widths)
        elif list(self.teacher_widths) != list(teacher.widths):
            raise UserError(
                f"Teacher '{teacher.name}' must have layers of the widths "
                f"{list(self.teacher_widths)}, as the one before, received "
                f"{teacher.widths}: give that one."
            )
        return (teacher,)

    def get_config(self):
        return {
            **super().get_config(),
            "ce_weight": self.ce_weight,
            "kd_weight": self.kd_weight,
            "teacher_layers": self.teacher_layers,
        }


def kept_mean(values, kept, sample_weight=None):
    """Returns the mean over the rows that are kept, 0 if there are none.

    Args:
        values: Tensor `(N,)`.
        kept: Bool tensor `(N,)`.
        sample_weight: Tensor `(N,)` or None. The mean is weighted, times the
            mean of the weights: with all rows it is `batch_mean`.
    """
    share = ops.cast(kept, values.dtype)
    scale = 1.0
    if sample_weight is not None:
        weight = ops.cast(ops.reshape(sample_weight, (-1,)), values.dtype)
        share, scale = share * weight, mean(weight)
    total = ops.sum(share)
    total = ops.where(total > 0, total, ops.ones_like(total))
    return scale * ops.sum(values * share) / total
