"""Students cut out of a cohort: ordinary Keras models that say the same."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.backbones import Backbone
from keras_css.backbones import CifarResNet
from keras_css.backbones.batch_norm import BatchNorm
from keras_css.errors import ProofError
from keras_css.students import count_parameters
from keras_css.students import cut_student
from keras_css.students.fold import fold_batch_norm
from keras_css.students.preprocessing import describe_preprocessing
from keras_css.students.preprocessing import find_preprocessing
from keras_css.students.preprocessing import without_preprocessing
from keras_css.supervision import Transformation

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def cohort():
    distiller = tiny.cohort(class_names=["a", "b", "c", "d"])
    distiller.build((None, 8, 8, 1))
    tiny.shake(distiller)
    return distiller


def assert_says(model, x, expected, atol=1e-5):
    found = model.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, atol=atol)


def test_students_say_what_the_cohort_says_of_them(cohort):
    x, _ = tiny.images(10, seed=3)
    expected = cohort.predict(x, verbose=0)
    for name in ("network_b/branch_2", "network_a", "ensemble"):
        logits, student = expected[name], cohort.student(name)
        assert_says(student, x, logits)
        assert student.dtype_policy.name == "float32"
        kinds = {type(layer) for layer in student.layers}
        assert not any(
            issubclass(k, keras.layers.BatchNormalization) for k in kinds
        )
        assert all(k.__module__.startswith("keras.") for k in kinds)


def test_a_branch_has_the_parameters_of_the_plain_backbone(cohort):
    """Counted by hand: two folded convolutions and its own columns."""
    branch = cohort.student("network_a/branch_1")
    convolutions = (9 * 1 * 8 + 8) + (9 * 8 * 6 + 6)
    assert branch.count_params() == convolutions + (6 * 4 + 4)
    network = cohort.student("network_a")
    tails = 3 * ((9 * 8 * 6 + 6) + (6 * 4 + 4))
    assert network.count_params() == (9 * 1 * 8 + 8) + tails


def test_parameters_are_counted_without_cutting(cohort):
    """A cut student lacks what BatchNorm has: four numbers a filter."""
    for name, filters in (
        ("network_a/branch_1", 8 + 6),
        ("network_b", 8 + 3 * 6),
        ("ensemble", 2 * (8 + 3 * 6)),
    ):
        counted = count_parameters(
            cohort.named_networks, cohort.method.student_parts()[name]
        )
        cut = cohort.student(name).count_params()
        assert counted == cut + 4 * filters, name


def test_a_student_does_not_share_weights_with_the_cohort(cohort):
    student = cohort.student("network_b")
    before = [keras.ops.convert_to_numpy(v) for v in cohort.variables]
    for weight in student.weights:
        weight.assign(np.zeros(weight.shape))
    for old, variable in zip(before, cohort.variables):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(variable))


def test_a_saved_student_loads_where_keras_css_is_not(cohort, tmp_path):
    x, _ = tiny.images(6, seed=3)
    student = cohort.student("ensemble")
    student.save(tmp_path / "student.keras")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import keras, numpy, sys\n"
        "model = keras.saving.load_model('student.keras', safe_mode=True)\n"
        "y = model.predict(numpy.load('x.npy'), verbose=0)\n"
        "numpy.save('y.npy', y)\n"
        "assert 'keras_css' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "y.npy")
    np.testing.assert_allclose(found, student.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_cohort_in_mixed_precision_gives_float32_students(policy):
    """Equal to the same weights in a float32 cohort, not merely close."""
    x, y = tiny.images(16)
    keras.config.set_dtype_policy(policy)
    try:
        mixed = tiny.cohort()
        history = mixed.fit(x, y, batch_size=8, epochs=2, verbose=0).history
        tiny.shake(mixed)
        rough = mixed.predict(x, verbose=0)["network_a"]
        student = mixed.student("network_a")
        assert keras.config.dtype_policy().name == policy
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"]).all()
    assert {weight.dtype for weight in student.weights} == {"float32"}
    exact = tiny.cohort()
    exact.build((None, *x.shape[1:]))
    for twin, network in zip(exact.networks, mixed.networks):
        twin.set_weights(network.get_weights())
    expected = exact.predict(x, verbose=0)["network_a"]
    found = student.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(rough, expected, atol=0.3)
    assert np.abs(rough - expected).max() > 1e-5, "was not mixed at all"


def test_wrong_names_and_missing_validation_are_refused(cohort):
    with pytest.raises(UserError, match="did you mean network_a"):
        cohort.student("network_a/branch_7")
    fresh = tiny.cohort()
    with pytest.raises(UserError, match="call fit or build first"):
        fresh.student("network_a")
    fresh.build((None, 8, 8, 1))
    with pytest.raises(UserError, match="fit with validation_data"):
        fresh.student("best")


def test_images_of_any_size_need_a_size():
    network = keras_css.MultiBranchNetwork("resnet8", 3)
    network.build((None, None, None, 1))
    parts = {("network_a", 1): 1.0}
    with pytest.raises(UserError, match="give image_shape"):
        cut_student({"network_a": network}, parts)
    x = np.random.default_rng(0).normal(size=(2, 12, 20, 1)).astype("float32")
    student = cut_student({"network_a": network}, parts, x.shape[1:])
    expected = keras.ops.convert_to_numpy(network(x)["logits"])[:, 1::3, 1]
    assert_says(student, x, expected)


@keras.saving.register_keras_serializable(package="tests")
class Fade(Transformation):
    """A user's own: fades by a constant map."""

    def call(self, features, branch, num_branches):
        faded = keras.ops.full((8, 8, 1), 1 - 0.2 * branch)
        return features * faded


@keras.saving.register_keras_serializable(package="tests")
class DeepBackbone(Backbone):
    """A functional model inside a Sequential, BatchNorm of several kinds."""

    feature_dim = 5

    def __init__(self, split=1):
        super().__init__(split)

    def stages(self):
        image = keras.Input((8, 8, 1))
        x = keras.layers.Conv2D(4, 3, padding="same")(image)
        x = BatchNorm()(x)
        x = keras.layers.Activation("relu")(x)
        x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
        x = keras.layers.BatchNormalization(scale=False)(x)
        x = keras.layers.Dropout(0.5)(x)
        return [
            keras.Sequential([keras.Model(image, x)]),
            keras.Sequential(
                [keras.layers.Conv2D(5, 1), keras.layers.ReLU(), BatchNorm()]
            ),
        ]


def test_a_users_own_backbone_and_transformation():
    networks = [
        keras_css.MultiBranchNetwork(
            DeepBackbone(),
            4,
            transformation=Fade(),
            preprocessing=keras.layers.Rescaling(0.5, 0.1),
        )
        for _ in range(2)
    ]
    distiller = OnlineDistiller(networks)
    x, _ = tiny.images(9)
    distiller.build((None, *x.shape[1:]))
    tiny.shake(distiller)
    expected = distiller.predict(x, verbose=0)
    for name in ("network_b/branch_2", "ensemble"):
        student = distiller.student(name)
        assert_says(student, x, expected[name])
        bare = without_preprocessing(student)
        np.testing.assert_allclose(
            bare.predict(x * 0.5 + 0.1, verbose=0), expected[name], atol=1e-5
        )
        assert find_preprocessing(bare) == []
    names = [type(layer).__name__ for layer in student.layers]
    assert names.count("Rescaling") == 1, "two equal preambles are one"
    # The one after the ReLU has no convolution to go into.
    assert names.count("DepthwiseConv2D") == 2 + 6, "two trunks', six tails'"
    assert names.count("BatchNorm") == 0
    assert names.count("BatchNormalization") == 0


@keras.saving.register_keras_serializable(package="tests")
class Block(keras.layers.Layer):
    """The usual form: inner layers, no `training` in `call`."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.conv = keras.layers.Conv2D(filters, 3, padding="same")
        self.norm = keras.layers.BatchNormalization()

    def call(self, x):
        return keras.ops.relu(self.norm(self.conv(x)))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="tests")
class ScaledBlock(Block):
    """One with a weight of its own."""

    def build(self, input_shape):
        super().build(input_shape)
        self.gamma = self.add_weight(shape=(self.filters,), name="gamma")

    def call(self, x):
        return super().call(x) * (1.5 + self.gamma)


@keras.saving.register_keras_serializable(package="tests")
class StandardisedConv(keras.layers.Conv2D):
    """A convolution that is not what its class says."""

    def call(self, x):
        return super().call(x) * 3.0


@keras.saving.register_keras_serializable(package="tests")
class OddBackbone(Backbone):
    feature_dim = 5

    def __init__(self, split=2):
        super().__init__(split)

    def stages(self):
        return [
            Block(4),
            ScaledBlock(4),
            keras.Sequential(
                [StandardisedConv(5, 3), keras.layers.BatchNormalization()]
            ),
        ]


def test_unusual_layers_stay_what_they_are(tmp_path):
    distiller = OnlineDistiller(
        [keras_css.MultiBranchNetwork(OddBackbone(), 4)], "independent"
    )
    x, _ = tiny.images(9)
    distiller.build((None, *x.shape[1:]))
    tiny.shake(distiller)
    expected = distiller.predict(x, verbose=0)["network_a"]
    student = distiller.student("network_a")
    found = student.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)
    names = [type(layer).__name__ for layer in student.layers]
    assert "Block" not in names, "opened, its BatchNorm folded"
    assert names.count("ScaledBlock") == 1, "its own weight stays a weight"
    assert names.count("BatchNormalization") == 0
    assert names.count("DepthwiseConv2D") == 3, "after StandardisedConv"
    student.save(tmp_path / "s.keras")
    loaded = keras.saving.load_model(tmp_path / "s.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), found, atol=1e-5)


@keras.saving.register_keras_serializable(package="tests")
class Fickle(keras.layers.Layer):
    """Inner layers, and something else when it is called symbolically."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = keras.layers.Conv2D(8, 1)

    def call(self, x):
        return self.conv(x) * (9.0 if isinstance(x, keras.KerasTensor) else 1)


@keras.saving.register_keras_serializable(package="tests")
class FickleBackbone(tiny.TinyBackbone):
    def stages(self):
        first, second = super().stages()
        return [keras.Sequential([first, Fickle()]), second]


def test_a_student_that_differs_from_its_networks_is_refused():
    network = keras_css.MultiBranchNetwork(FickleBackbone(), 4)
    network.build((None, 8, 8, 1))
    tiny.shake(network)
    with pytest.raises(ProofError, match="must agree with its networks"):
        cut_student({"network_a": network}, {("network_a", 0): 1.0})


def test_networks_that_normalise_differently_keep_their_preambles():
    """Layers with equal configurations and different weights."""
    rng = np.random.default_rng(0)
    networks = []
    for shift in (0, 50):
        layer = keras.layers.Normalization()
        layer.adapt(rng.uniform(0, 100, (20, 8, 8, 1)) + shift)
        networks.append(tiny.network(preprocessing=layer))
    distiller = OnlineDistiller(networks)
    x = rng.uniform(0, 255, (5, 8, 8, 1)).astype("float32")
    distiller.build((None, 8, 8, 1))
    student = distiller.student("ensemble")
    assert_says(student, x, distiller.predict(x, verbose=0)["ensemble"])
    assert len(find_preprocessing(student)) == 2
    assert describe_preprocessing(student) == {"layers": ["Normalization"] * 2}
    with pytest.raises(UserError, match="received one with 2"):
        without_preprocessing(student)


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_own_blocks_keep_no_batch_norm(block):
    network = keras_css.MultiBranchNetwork(
        CifarResNet(block, (1, 1, 1)), 3, num_branches=2
    )
    network.build((None, 9, 12, 2))
    tiny.shake(network)
    x = np.random.default_rng(0).normal(size=(3, 9, 12, 2)).astype("float32")
    expected = keras.ops.convert_to_numpy(network(x)["logits"])[:, 1::2, 1]
    student = cut_student({"network_a": network}, {("network_a", 1): 1.0})
    assert_says(student, x, expected, atol=1e-4)
    assert "BatchNorm" not in {type(layer).__name__ for layer in student.layers}
    assert "keras_css" not in student.to_json()


@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D", "Dense"])
@pytest.mark.parametrize("bias", [True, False])
def test_folding_is_exact_for_each_kind_of_layer(kind, bias):
    image = keras.Input((5, 5, 3))
    layer = {
        "Conv2D": lambda: keras.layers.Conv2D(4, 3, use_bias=bias),
        "DepthwiseConv2D": lambda: keras.layers.DepthwiseConv2D(
            3, depth_multiplier=2, use_bias=bias
        ),
        "Dense": lambda: keras.layers.Dense(4, use_bias=bias),
    }[kind]()
    model = keras.Model(
        image, keras.layers.BatchNormalization(epsilon=0.1)(layer(image))
    )
    tiny.shake(model)
    if bias:
        kernel, _ = layer.get_weights()
        layer.set_weights([kernel, np.arange(layer.bias.shape[0]) - 2.0])
    folded = fold_batch_norm(model)
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype("float32")
    assert_says(folded, x, model.predict(x, verbose=0))
    assert len(folded.layers) == 2


@pytest.mark.parametrize(
    ("activation", "axis"), [("relu", -1), (None, 1)], ids=["relu", "axis"]
)
def test_what_stands_between_or_across_is_not_folded_away(activation, axis):
    image = keras.Input((4, 4, 3))
    x = keras.layers.Dense(4, activation=activation)(image)
    model = keras.Model(image, keras.layers.BatchNormalization(axis=axis)(x))
    assert len(fold_batch_norm(model).layers) == 3


def test_a_convolution_used_twice_is_folded_twice():
    image = keras.Input((4, 4, 3))
    conv = keras.layers.Conv2D(3, 1)
    norms = [keras.layers.BatchNormalization() for _ in range(2)]
    model = keras.Model(image, norms[1](conv(norms[0](conv(image)))))
    tiny.shake(model)
    folded = fold_batch_norm(model)
    assert len(folded.layers) == 3
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    assert_says(folded, x, model.predict(x, verbose=0), atol=1e-4)
