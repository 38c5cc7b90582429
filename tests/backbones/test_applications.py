"""Published weights: which file is asked for, and what is made of it."""

import pathlib

import keras
import numpy as np
import pytest

from keras_css import backbones
from keras_css.backbones.applications import application_model


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Stands for the network: files of drawn weights, written when asked for.

    Returns:
        Dict from the names of files that were asked for to their models.
    """
    asked = {}

    def get_file(fname, *args, **kwargs):
        if fname in asked:
            return str(tmp_path / fname)
        name = "EfficientNetB0" if "efficient" in fname else "MobileNetV2"
        build = getattr(keras.applications, name)
        model = build(weights=None, include_top=False, input_shape=(96, 96, 3))
        rng = np.random.default_rng(0)
        for weight in model.weights:
            if keras.backend.is_float_dtype(weight.dtype):
                value = keras.ops.convert_to_numpy(weight)
                weight.assign(value * rng.uniform(0.5, 1.5, value.shape))
        model.save(tmp_path / fname)
        asked[fname] = model
        return str(tmp_path / fname)

    # The models of Keras look it up there.
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    return asked


@pytest.mark.once
@pytest.mark.parametrize(
    ("image_shape", "side"),
    [
        ((96, 96, 3), 96),
        ((96, 128, 3), 224),
        (None, 224),
    ],
)
def test_weights_are_those_of_the_images_size(
    image_shape, side, published, recwarn
):
    backbone = backbones.get(
        "applications:MobileNetV2@block_13_expand", "imagenet", image_shape
    )
    ((file, model),) = published.items()
    assert pathlib.Path(file).stem.endswith(f"_{side}_no_top")
    kernel = model.get_layer("Conv1").kernel
    own = backbone.trunk().get_layer("Conv1").kernel
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(own), keras.ops.convert_to_numpy(kernel)
    )
    assert backbone.takes == (None, None, 3)
    assert not [w for w in recwarn if "input_shape" in str(w.message)]


@pytest.mark.once
def test_a_model_has_one_form_with_weights_and_without(published):
    """EfficientNet gets one layer more if Keras loads weights into it."""
    model = application_model("EfficientNetB0", "imagenet")
    bare = application_model("EfficientNetB0")
    kinds, expected_kinds = (
        [type(layer) for layer in m.layers] for m in (model, bare)
    )
    assert kinds == expected_kinds
    whole = keras.applications.EfficientNetB0(
        weights="imagenet", include_top=False, input_shape=(32, 32, 3)
    )
    assert len(whole.layers) == len(model.layers) + 1
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
    images = images.astype("float32")
    found, expected = (
        keras.ops.convert_to_numpy(m(images, training=False))
        for m in (model, whole)
    )
    assert expected.std() > 0
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * largest)
