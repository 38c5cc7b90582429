"""Accuracy and calibration of every student, diversity, the report."""

from keras_css.evaluation.diversity import diversity
from keras_css.evaluation.students import accuracies_of
from keras_css.evaluation.students import best_student
from keras_css.evaluation.students import choose_student
from keras_css.evaluation.students import evaluate_students
from keras_css.evaluation.students import measure_answers
from keras_css.evaluation.students import measure_test
from keras_css.evaluation.students import most_accurate
from keras_css.evaluation.students import predict_students
from keras_css.evaluation.students import shipping

__all__ = [
    "accuracies_of",
    "best_student",
    "choose_student",
    "diversity",
    "evaluate_students",
    "measure_answers",
    "measure_test",
    "most_accurate",
    "predict_students",
    "shipping",
]
