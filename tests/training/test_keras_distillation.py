"""Students of ours teach in keras.distillation, models of Keras teach here."""

import keras
import numpy as np
import pytest
import tiny
from keras.distillation import Distiller
from keras.distillation import LogitsDistillation

from keras_css import OnlineDistiller

numpy = keras.ops.convert_to_numpy
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def plain_model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
        ]
    )


@pytest.mark.once
def test_kd_is_the_loss_of_keras_and_students_teach_there():
    """One teacher of Keras and one student of ours in both trainers."""
    teacher = plain_model()
    network = tiny.network(num_branches=1, transformation="none")
    ours = OnlineDistiller([network], "kd", teachers=[teacher])
    ours.compile()
    x, y = tiny.images(8)
    found = ours.test_on_batch(x, y, return_dict=True)["loss"]
    student = ours.student("network_a/branch_0")
    theirs = Distiller(
        teacher,
        student,
        # Its default names a function, of which it takes logits as they are.
        LogitsDistillation(4.0, keras.losses.KLDivergence()),
        student_loss_weight=0.1,
    )
    theirs.compile(loss=LOSS)
    expected = theirs.test_on_batch(x, y, return_dict=True)["total_loss"]
    assert float(found) == pytest.approx(float(expected), rel=1e-4)

    before = [numpy(w).copy() for w in student.weights]
    learner = plain_model()
    start = numpy(learner.weights[0]).copy()
    taught = Distiller(student, learner, LogitsDistillation(temperature=4.0))
    taught.compile("sgd", loss=LOSS)
    taught.fit(x, y, batch_size=8, verbose=0)
    assert not np.array_equal(numpy(learner.weights[0]), start)
    for weight, value in zip(student.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(weight), value)
