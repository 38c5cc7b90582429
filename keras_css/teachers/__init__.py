"""Teachers: finished classifiers that teach a cohort and never train."""

from keras_css.teachers.inside import teacher_of
from keras_css.teachers.teacher import Teacher

__all__ = ["Teacher", "teacher_of"]
