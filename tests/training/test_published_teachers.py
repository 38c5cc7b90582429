"""Models of keras.applications teach, and no weights are fetched in vain."""

import keras
import numpy as np
import pytest

from keras_css import UserError
from keras_css.runs.teachers import find_teachers

pytestmark = pytest.mark.once
NAMES = [str(i) for i in range(1000)]


def preprocess_input(pixels):
    """As that of ResNet50: blue first."""
    return pixels[..., ::-1] - np.array([103.0, 116.0, 123.0], "float32")


def Published(weights="imagenet", classifier_activation="softmax"):
    """Stands for a builder of keras.applications with its weights at hand."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1000, activation=classifier_activation),
        ]
    )


def Offline(weights="imagenet", **others):
    raise OSError("no route to host")


def test_a_published_model_sees_pixels_as_it_was_trained_on(monkeypatch):
    made = []

    def remember(**options):
        made.append(Published(**options))
        return made[0]

    remember.__module__ = __name__
    monkeypatch.setattr(keras.applications, "Tiny", remember, raising=False)
    monkeypatch.setattr(keras.applications, "Far", Offline, raising=False)
    (teacher,) = find_teachers(["applications:Tiny"], NAMES)
    x = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    expected = made[0](preprocess_input(x))
    np.testing.assert_allclose(
        teacher.said(x), keras.ops.convert_to_numpy(expected), rtol=1e-3
    )
    assert set(teacher.about) == {"name", "sha256"}
    with pytest.raises(UserError, match=r"1,000 classes .* data of 10: train"):
        find_teachers(["applications:Far"], NAMES[:10])
    with pytest.raises(UserError, match="downloadable or in Keras' cache"):
        find_teachers(["applications:Far"], NAMES)
    with pytest.raises(UserError, match="did you mean Tiny"):
        find_teachers(["applications:Tin"], NAMES)
