"""Cutting students out of a cohort: ordinary Keras models of their own."""

from keras_css.students.cut import cut_student
from keras_css.students.size import count_parameters
from keras_css.students.size import student_sizes

__all__ = ["count_parameters", "cut_student", "student_sizes"]
