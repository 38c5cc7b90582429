"""Cutting students out of a cohort: ordinary Keras models of their own."""

from keras_css.students.cut import cut_student

__all__ = ["cut_student"]
