"""A file that to_onnx wrote teaches, where its outputs are stored first."""

import numpy as np
import pytest
import tiny

from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.runs.teachers import find_teachers

pytestmark = pytest.mark.once
NAMES = ["left", "right", "up", "down & <out>"]


def test_a_file_says_what_its_student_says_and_no_step_runs_it(
    exported, splits
):
    student, path, _ = exported
    (teacher,) = find_teachers([str(path)], NAMES)
    assert set(teacher.about) == {"sha256"}
    images = splits[0].images[:8]
    np.testing.assert_allclose(
        teacher.said(images), student.predict(images, verbose=0), atol=1e-4
    )
    with pytest.raises(UserError, match="received one of 4"):
        find_teachers([str(path)], NAMES[:3])
    network = tiny.network(num_branches=1, transformation="none")
    distiller = OnlineDistiller([network], "kd", teachers=[teacher])
    distiller.compile()
    x, y = tiny.images(4)
    with pytest.raises(UserError, match="which no step can run: let its"):
        distiller.train_on_batch(x, y)
