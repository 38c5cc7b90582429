"""A user's own Keras model, cut in trunk and tail."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers

from keras_css import MultiBranchNetwork
from keras_css import UserError
from keras_css.backbones import split_model
from keras_css.backbones import suggest_splits
from keras_css.backbones.applications import normalisation
from keras_css.students import cut_student

pytestmark = pytest.mark.once


def block(x, width, name):
    y = layers.Conv2D(width, 3, padding="same", name=f"{name}_conv")(x)
    y = layers.BatchNormalization(name=f"{name}_norm")(y)
    y = layers.ReLU(name=f"{name}_relu")(y)
    return layers.Add(name=f"{name}_add")([x, y])


def small_model(classes=4, image=(16, 16, 3)):
    """A residual network with a classifier, weights drawn by NumPy."""
    images = keras.Input(image)
    x = layers.Rescaling(1 / 8, name="rescaling")(images)
    x = layers.Conv2D(8, 3, padding="same", name="stem")(x)
    x = block(x, 8, "one")
    x = layers.MaxPooling2D(name="pool")(x)
    x = block(x, 8, "two")
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Dense(classes, name="classes")(x)
    return drawn(keras.Model(images, x))


def drawn(model):
    rng = np.random.default_rng(0)
    shapes = [weight.shape for weight in model.weights]
    model.set_weights([rng.uniform(0.1, 0.5, shape) for shape in shapes])
    return model


def images_for(shape, count=2):
    return np.random.default_rng(1).uniform(0, 8, (count, *shape)).astype("f4")


def to_numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def features_of(model, layer, images):
    return to_numpy(
        keras.Model(model.input, model.get_layer(layer).output)(images)
    )


@pytest.mark.parametrize("at", [None, "stem", "one_add", "pool"])
def test_trunk_and_tail_are_the_model(at):
    model = small_model()
    backbone = split_model(model, at)
    images = images_for((16, 16, 3))
    found = to_numpy(backbone.tail()(backbone.trunk()(images)))
    expected = features_of(model, "gap", images)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert backbone.feature_dim == 8
    assert expected.std() > 0


def test_every_branch_has_weights_of_its_own():
    model = small_model()
    network = MultiBranchNetwork(split_model(model, "pool"), 5)
    network.build((None, 16, 16, 3))
    first, second = (t.get_layer("two_conv").kernel for t in network.tails[:2])
    original = model.get_layer("two_conv").kernel
    np.testing.assert_array_equal(to_numpy(first), to_numpy(original))
    first.assign(first * 0)
    np.testing.assert_array_equal(to_numpy(second), to_numpy(original))
    fresh = split_model(model, "pool", copy_weights=False)
    tails = [fresh.tail().get_layer("two_conv").kernel for _ in range(2)]
    assert np.abs(to_numpy(tails[0]) - to_numpy(tails[1])).max() > 0.01


def test_saved_and_loaded(tmp_path):
    network = MultiBranchNetwork(split_model(small_model(), "pool"), 5)
    images = images_for((16, 16, 3))
    expected = to_numpy(network(images)["logits"])
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    np.testing.assert_allclose(
        to_numpy(loaded(images)["logits"]), expected, rtol=1e-5
    )


def test_a_student_is_the_model_with_another_classifier():
    model = small_model()
    network = MultiBranchNetwork(split_model(model, "pool"), 4)
    network.build((None, 16, 16, 3))
    student = cut_student({"network_a": network}, {("network_a", 0): 1.0})
    # BatchNorm is folded into the convolutions before it.
    norms = [
        x for x in model.layers if isinstance(x, layers.BatchNormalization)
    ]
    folded = sum(norm.count_params() for norm in norms)
    assert student.count_params() == model.count_params() - folded
    assert not any(
        isinstance(x, layers.BatchNormalization) for x in student.layers
    )


def test_mixed_precision():
    network = MultiBranchNetwork(
        split_model(small_model(), "pool"), 5, dtype="mixed_bfloat16"
    )
    network.build((None, 16, 16, 3))
    assert network.trunk.get_layer("stem").compute_dtype == "bfloat16"
    assert network.tails[0].get_layer("two_conv").compute_dtype == "bfloat16"
    assert np.isfinite(
        to_numpy(network(images_for((16, 16, 3)))["logits"])
    ).all()


def test_a_model_inside_a_model_is_opened():
    inner = small_model()
    images = keras.Input((16, 16, 3))
    x = keras.Sequential([layers.Rescaling(1 / 2), inner])(images)
    outer = keras.Model(images, layers.Dense(3, name="stem")(x))
    backbone = split_model(outer, "pool", features="gap")
    seen = images_for((16, 16, 3))
    found = to_numpy(backbone.tail()(backbone.trunk()(seen)))
    np.testing.assert_allclose(
        found, features_of(inner, "gap", seen / 2), rtol=1e-5
    )
    assert inner.get_layer("stem").name == "stem"


def test_any_size():
    model = small_model(image=(None, None, 3))
    network = MultiBranchNetwork(split_model(model, "pool"), 4)
    assert network(images_for((20, 12, 3)))["logits"].shape[1] == 12


def test_suggestions_name_places_and_their_cost():
    found = suggest_splits(small_model())
    assert [point.layer for point in found] == ["stem", "one_add", "pool"]
    stem, one, pool = found
    assert stem.shape == (16, 16, 8)
    assert stem.trunk_macs == 16 * 16 * 27 * 8
    assert one.trunk_macs == stem.trunk_macs + 16 * 16 * 9 * 8 * 8
    assert pool.shape == (8, 8, 8)
    assert pool.tail_macs == 8 * 8 * 9 * 8 * 8
    assert pool.trunk_parameters == (27 * 8 + 8) + (9 * 64 + 8 + 4 * 8)
    assert pool.tail_parameters == 9 * 64 + 8 + 4 * 8
    # The last place at a higher resolution than the last map.
    assert split_model(small_model()).trunk().layers[-1].name == "one_add"


def two_inputs():
    first, second = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    return keras.Model([first, second], layers.Add()([first, second]))


def shared_layer():
    images = keras.Input((16, 16, 8))
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    x = layers.MaxPooling2D(name="pool")(shared(images))
    x = layers.GlobalAveragePooling2D()(shared(x))
    return keras.Model(images, layers.Dense(3)(x))


class Subclassed(keras.Model):
    """A model without a graph."""

    def call(self, images):
        return images


@pytest.mark.parametrize(
    ("make", "at", "message"),
    [
        (small_model, "pol", "Unknown layer of the model 'pol'.*mean pool"),
        (small_model, "classes", "nothing with weights is left.*pool"),
        (small_model, "gap", "nothing with weights is left"),
        (small_model, "two_add", "nothing with weights is left"),
        (
            small_model,
            "rescaling",
            "nothing with weights is left for the trunk",
        ),
        (small_model, "one_conv", "passes it by, from stem.*possible.*stem"),
        (two_inputs, None, "one input, received 2"),
        (shared_layer, "pool", "'shared' is used before and behind 'pool'"),
        (Subclassed, None, "received a Subclassed"),
        (lambda: keras.Sequential([layers.Dense(2)]), None, "keras.Input"),
        (
            lambda: keras.Sequential([keras.Input((4,)), layers.Dense(2)]),
            None,
            r"takes \(None, 4\)",
        ),
    ],
)
def test_what_cannot_be_split(make, at, message):
    with pytest.raises(UserError, match=message):
        split_model(make(), at)


def test_another_size_than_the_models_is_refused():
    network = MultiBranchNetwork(split_model(small_model(), "pool"), 4)
    with pytest.raises(
        UserError, match=r"\(16, 16, 3\), received \(20, 16, 3\)"
    ):
        network.build((None, 20, 16, 3))


@pytest.mark.parametrize(
    ("name", "feature_dim"),
    [
        ("MobileNetV2", 1280),
        ("ResNet50", 2048),
        ("DenseNet121", 1024),
        ("EfficientNetV2B0", 1280),
        ("ConvNeXtTiny", 768),
    ],
)
def test_models_of_keras_applications(name, feature_dim):
    build = getattr(keras.applications, name)
    model = build(weights=None, classes=7, input_shape=(64, 64, 3))
    backbone = split_model(model)
    images = images_for((64, 64, 3)) / 8
    expected = to_numpy(
        keras.Model(model.input, model.layers[-1].input)(images)
    )
    found = to_numpy(backbone.tail()(backbone.trunk()(images)))
    assert found.shape == (2, feature_dim)
    assert expected.std() > 0
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    parts = backbone.trunk().count_params() + backbone.tail().count_params()
    assert parts + 7 * (feature_dim + 1) == model.count_params()


@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50", "DenseNet121"])
def test_pixels_are_normalised_as_published_weights_want_it(name):
    """What the model's own preprocess_input makes of RGB pixels."""
    build = getattr(keras.applications, name)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 3, 3, 3))
    pixels = pixels.astype("float32")
    expected = inspect.getmodule(build).preprocess_input(pixels.copy())
    (scale, offset), swapped = normalisation(build)
    found = pixels * scale + offset
    assert swapped == (name == "ResNet50")
    found = found[..., ::-1] if swapped else found
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_weights_for_blue_first_take_red_first():
    model = small_model()
    backbone = split_model(model, "pool")
    images = images_for((16, 16, 3))
    before = to_numpy(backbone.trunk()(images))
    backbone.swap_red_and_blue()
    after = to_numpy(backbone.trunk()(images[..., ::-1].copy()))
    np.testing.assert_allclose(after, before, rtol=1e-5)
    swapped = to_numpy(backbone.trunk()(images))
    assert np.abs(swapped - before).max() > 1e-3


def test_a_cut_mobilenet_is_saved_as_it_is(tmp_path):
    """Its tails aliased one another in the file: 3,953,256 parameters."""
    model = keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), weights=None, include_top=False, pooling="avg"
    )
    network = MultiBranchNetwork(
        split_model(model, at="block_13_expand"),
        num_classes=4,
        num_branches=3,
        main_branch=True,
    )
    network.build((None, 64, 64, 3))
    assert network.count_params() == 7_241_320
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.count_params() == 7_241_320
    assert len(loaded.weights) == len(network.weights)
