"""What a model puts out is found out: softmax inside ships truthfully."""

import keras
import numpy as np
import onnx
import pytest
import tiny
from keras import layers

from keras_css import UserError
from keras_css.deploy import export_model
from keras_css.deploy import export_onnx
from keras_css.deploy.ending import without_softmax
from keras_css.deploy.graph import append_softmax
from keras_css_runtime.classifier import OnnxClassifier
from keras_css_runtime.onnx_file import OnnxFile
from keras_css_runtime.softmax import are_probabilities
from keras_css_runtime.softmax import softmax

pytestmark = pytest.mark.once

SHAPE = (8, 8, 3)
NAMES = ["ant", "bee", "cat", "dog"]
quiet = {"say": lambda line: None}


def dense(activation=None, classes=4, **options):
    """Weights so large that its softmax is sure of itself."""
    return layers.Dense(
        classes,
        activation=activation,
        kernel_initializer=keras.initializers.RandomNormal(0, 9, seed=3),
        **options,
    )


def before(image):
    he_normal = keras.initializers.HeNormal(seed=3)
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(6, 3, kernel_initializer=he_normal)(x)
    return layers.GlobalMaxPooling2D()(x)


def nested(image):
    x = keras.Input((6,))
    inner = keras.Sequential(
        [x, keras.Sequential([keras.Input((6,)), dense("softmax")])]
    )
    return inner(before(image))


ENDINGS = {
    "activation": lambda x: dense("softmax")(before(x)),
    "layer": lambda x: layers.Softmax()(dense()(before(x))),
    "activation layer": lambda x: layers.Activation("softmax")(
        dense()(before(x))
    ),
    "operation": lambda x: keras.ops.softmax(dense()(before(x))),
    "in float32": lambda x: layers.Activation("softmax", dtype="float32")(
        dense(dtype="mixed_float16")(before(x))
    ),
    "nested": nested,
}


def model(ending):
    image = keras.Input(SHAPE, name="image")
    return keras.Model(image, ending(image))


def pixels(count=6):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *SHAPE), dtype="uint8")


@pytest.mark.parametrize("name", ENDINGS)
def test_a_softmax_at_the_end_is_taken_off(name):
    whole = model(ENDINGS[name])
    bare = without_softmax(whole)
    logits = bare.predict(pixels(), verbose=0)
    assert logits.dtype == "float32"
    assert not are_probabilities(logits)
    np.testing.assert_allclose(
        softmax(logits), whole.predict(pixels(), verbose=0), atol=2e-3
    )


def test_other_endings_are_left_alone():
    for ending in (
        lambda x: dense()(before(x)),
        lambda x: dense("relu")(before(x)),
        lambda x: layers.Reshape((4,))(dense("softmax")(before(x))),
        # Over the images of a batch, which is no probability of anything.
        lambda x: layers.Softmax(axis=0)(dense()(before(x))),
    ):
        assert without_softmax(model(ending)) is None


def test_what_is_no_classifier_gets_one_line(tmp_path):
    for ending, words in (
        (dense("sigmoid"), "received a model that ends in sigmoid"),
        (layers.Dense(1, "sigmoid"), "at least two classes, received"),
        (layers.Dense(1), "at least two classes, received"),
    ):
        whole = model(lambda x, ending=ending: ending(before(x)))
        with pytest.raises(UserError, match=words) as caught:
            export_onnx(whole, tmp_path / "s.onnx", **quiet)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_file_says_what_its_model_says(tmp_path, output, deep):
    """Was 0.232 where the model says 0.9994: the softmax of its softmax."""

    def ending(image):
        x = dense("softmax")(before(image))
        # Behind the softmax, so that only numbers tell of it.
        return layers.Reshape((4,))(x) if deep else x

    whole, lines = model(ending), []
    whole.save(tmp_path / "model.keras")
    report = export_model(
        tmp_path / "model.keras",
        tmp_path / "s.onnx",
        output=output,
        say=lines.append,
    )
    expected = whole.predict(pixels(), verbose=0)
    _, found = OnnxClassifier(tmp_path / "s.onnx")(pixels())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.max() > 0.9
    assert report["output"] == output
    assert report["model_output"] == ("probabilities" if deep else "softmax")
    file = OnnxFile(tmp_path / "s.onnx")
    assert file.session.get_outputs()[0].name == output
    rows = file.run(pixels())
    assert are_probabilities(rows) == (output == "probabilities")
    said = " ".join(lines)
    becomes = "logarithms" if deep else "logits before it"
    assert (becomes in said) == (output == "logits")


def test_a_file_of_before_that_took_its_word_is_found_out(
    exported, splits, tmp_path
):
    proto = onnx.load(exported[1])
    append_softmax(proto)
    told = [e for e in proto.metadata_props if e.key != "model_output"]
    del proto.metadata_props[:]
    proto.metadata_props.extend(told)
    onnx.save(proto, tmp_path / "old.onnx")
    old = OnnxClassifier(tmp_path / "old.onnx")
    _, expected = OnnxClassifier(exported[1])(splits[0].images)
    _, found = old(splits[0].images)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert old.metadata["output"] == "probabilities"


def test_class_names_come_with_the_keras_file(tmp_path):
    """A student's and a network's: `--model` needs no data to know them."""
    distiller = tiny.cohort(class_names=NAMES)
    distiller.build((None, 8, 8, 1))
    distiller.student("network_a").save(tmp_path / "student.keras")
    distiller.networks[0].save(tmp_path / "network.keras")
    for name, student in (("student", None), ("network", "network_a/branch_0")):
        report = export_model(
            tmp_path / f"{name}.keras", tmp_path / "s.onnx", student, **quiet
        )
        assert report["class_names"] == NAMES
