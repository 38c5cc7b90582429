"""What is saved is what is loaded: every weight, count and output."""

import keras
import numpy as np
import pytest
import tiny
from keras import layers
from round_trip import assert_same_outputs
from round_trip import randomise
from round_trip import saved_and_loaded

from keras_css import MultiBranchNetwork
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.backbones import VGG
from keras_css.backbones import CifarMobileNetV2
from keras_css.backbones import CifarResNet
from keras_css.backbones import CifarShuffleNetV2
from keras_css.backbones import DenseNet
from keras_css.backbones import WideResNet
from keras_css.backbones import split_model
from keras_css.backbones.imagenet_resnet import ImageNetResNet
from keras_css.methods import CSS
from keras_css.methods import DML
from keras_css.methods import METHODS
from keras_css.networks.weights import load_weights_by_name
from keras_css.supervision import Transformation
from keras_css.training.seed import set_seed


@pytest.fixture(autouse=True)
def same_initial_weights():
    set_seed(0)


def small_model(before=()):
    """A functional model with BatchNorm on both sides of layer `cut`."""
    image = keras.Input((8, 8, 3))
    x = image
    for layer in before:
        x = layer(x)
    x = layers.Conv2D(5, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(name="cut")(x)
    x = layers.Conv2D(6, 3, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(image, layers.Dense(3)(x))


def images(side=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (3, side, side, 3)).astype("float32")


def adapted():
    layer = layers.Normalization()
    layer.adapt(images() + 40)
    return layer


# Every family at its smallest depth. What has several tails differs in how
# their copies are made: own stages, or a model that is cut.
@pytest.mark.parametrize(
    ("backbone", "side", "branches", "main"),
    [
        (CifarResNet("basic", (1, 1, 1)), 8, 1, False),
        (CifarResNet("bottleneck", (1, 1, 1)), 8, 2, True),
        (ImageNetResNet("basic", (1, 1, 1, 1)), 32, 2, False),
        (VGG((1, 1, 1, 1, 1)), 32, 1, True),
        (WideResNet(10, 1), 8, 3, True),
        (DenseNet(10, 4), 8, 4, False),
        (CifarMobileNetV2(), 16, 1, False),
        (CifarShuffleNetV2(), 16, 1, False),
        ("applications:MobileNetV2", 32, 3, True),
        ("model", 8, 1, False),
        ("model", 8, 2, False),
        ("model", 8, 3, False),
        ("model", 8, 4, True),
    ],
    ids=lambda value: (
        getattr(type(value), "__name__", None)
        if not isinstance(value, (str, int))
        else str(value)
    ),
)
def test_networks_of_every_family(backbone, side, branches, main, tmp_path):
    network_round_trip(backbone, side, branches, main, tmp_path)


def network_round_trip(backbone, side, branches, main, tmp_path):
    if backbone == "model":
        small_model().save(tmp_path / "mine.keras")
        backbone = f"model:{tmp_path / 'mine.keras'}@cut"
    network = MultiBranchNetwork(
        backbone,
        num_classes=3,
        num_branches=branches,
        transformation="channel_group_drop",
        main_branch=main,
        preprocessing=layers.Rescaling(1 / 100, -1.0),
    )
    network.build((None, side, side, 3))
    loaded = saved_and_loaded(network, tmp_path)
    x = images(side)
    assert_same_outputs(loaded(x), network(x))


@pytest.mark.once
@pytest.mark.parametrize("branches", [1, 2, 3, 4])
def test_every_number_of_branches(branches, tmp_path):
    """What the other test leaves, of families that are quick to make."""
    families = [
        (CifarResNet("basic", (1, 1, 1)), 8),
        (ImageNetResNet("basic", (1, 1, 1, 1)), 32),
        (VGG((1, 1, 1, 1, 1)), 32),
        (WideResNet(10, 1), 8),
        (DenseNet(7, 4), 8),
        ("model", 8),
        ("model", 8),
    ]
    for i, (backbone, side) in enumerate(families):
        main = (branches + i) % 2 == 0
        place = tmp_path / str(i)
        place.mkdir()
        network_round_trip(backbone, side, branches, main, place)


SPECIAL = {
    "css released": (CSS(variant="released"), {}),
    "dml with averaged weights": (DML(), {"average_weights": 0.9}),
}


@pytest.mark.once
@pytest.mark.parametrize("name", [*METHODS.names(), *SPECIAL])
def test_cohorts_of_every_method(name, tmp_path):
    """Gates, attentions, fused classifiers and averaged copies included."""
    method, more = SPECIAL.get(name) or (METHODS.get(name)(), {})
    # These look between the stages of a backbone; a cut model has none.
    staged = name in ("ffl", "hssakd", "channel_distillation")
    networks = [
        MultiBranchNetwork(
            tiny.TinyBackbone()
            if staged
            else split_model(small_model([adapted()]), "cut"),
            3,
            preprocessing=adapted(),
            **method.network_defaults,
        )
        for _ in range(method.cohort_size)
    ]
    distiller = OnlineDistiller(networks, method, **more)
    distiller.build((None, 8, 8, 3))
    loaded = saved_and_loaded(distiller, tmp_path)
    x = images()
    found, expected = loaded(x, training=False), distiller(x, training=False)
    assert_same_outputs(found, expected)
    assert_same_outputs(
        loaded.method.students(found), method.students(expected)
    )
    last = list(method.student_parts())[-1]
    student = loaded.student(last)
    assert_same_outputs(
        student(x), method.students(expected)[last], tolerance=1e-4
    )
    again = saved_and_loaded(student, tmp_path)
    assert_same_outputs(again(x), student(x))


def pair(make_preprocessing, **options):
    """Returns a cohort of two networks, built."""
    networks = [
        MultiBranchNetwork(
            split_model(small_model(), "cut"),
            3,
            preprocessing=make_preprocessing(),
        )
        for _ in range(2)
    ]
    distiller = OnlineDistiller(networks, **options)
    distiller.build((None, 8, 8, 3))
    return distiller


def the_layer(layer):
    return lambda: layer


def its_own_sequential(layer):
    return lambda: keras.Sequential([layers.Rescaling(0.5), layer])


def the_sequential(layer):
    shared = keras.Sequential([layers.Rescaling(0.5), layer])
    return lambda: shared


@pytest.mark.once
@pytest.mark.parametrize("kind", [adapted, lambda: layers.Conv2D(3, 1)])
@pytest.mark.parametrize(
    "share", [the_layer, its_own_sequential, the_sequential]
)
def test_a_layer_that_networks_share_stays_shared(kind, share, tmp_path):
    distiller = pair(share(kind()))
    loaded = saved_and_loaded(distiller, tmp_path)
    x = images()
    assert_same_outputs(loaded(x), distiller(x))
    first, second = (
        network.preprocessing._flatten_layers() for network in loaded.networks
    )
    common = {id(layer) for layer in first} & {id(layer) for layer in second}
    assert common, "one layer, as before"
    assert_same_outputs(
        loaded.student("ensemble")(x),
        distiller.method.students(distiller(x))["ensemble"],
        tolerance=1e-4,
    )


@keras.saving.register_keras_serializable(package="tests")
class Jitter(layers.Layer):
    """An augmentation with a layer that others may have, too."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, x, training=None):
        return self.inner(x)

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner}

    @classmethod
    def from_config(cls, config):
        inner = keras.saving.deserialize_keras_object(config.pop("inner"))
        return cls(inner, **config)


@pytest.mark.once
def test_other_things_that_can_be_shared(tmp_path):
    """A cut model by two networks, and a layer with the augmentation."""
    norm, backbone = adapted(), split_model(small_model(), "cut")
    networks = [
        MultiBranchNetwork(backbone, 3, preprocessing=norm) for _ in range(3)
    ]
    distiller = OnlineDistiller(networks, augmentation=Jitter(norm))
    distiller.build((None, 8, 8, 3))
    loaded = saved_and_loaded(distiller, tmp_path)
    assert_same_outputs(loaded(images()), distiller(images()))
    inner = loaded.views.augmentation.inner
    assert all(n.preprocessing is inner for n in loaded.networks)
    kernels = {id(v) for n in loaded.networks for v in n.trunk.variables}
    assert len(kernels) == 3 * len(networks[0].trunk.variables)


@pytest.mark.once
def test_a_copy_computes_with_the_statistics_it_was_given():
    """Normalization keeps what it computes with beside its weights."""
    model = small_model([adapted()])
    backbone = split_model(model, "cut")
    x = images()
    expected = keras.Model(model.input, model.layers[-1].input)(x)
    assert_same_outputs(backbone.tail()(backbone.trunk()(x)), expected)
    other = MultiBranchNetwork(
        split_model(small_model([layers.Normalization()]), "cut"), 3
    )
    other.build((None, 8, 8, 3))
    source = MultiBranchNetwork(backbone, 3)
    source.build((None, 8, 8, 3))
    for i, layer in enumerate(source._flatten_layers()):
        # Layers are matched by name.
        list(other._flatten_layers())[i].name = layer.name
    assert not load_weights_by_name(other, source).missing
    assert_same_outputs(other.trunk(x), source.trunk(x))
    network = MultiBranchNetwork(
        "resnet8",
        3,
        **METHODS.get("pcl").network_defaults,
        preprocessing=adapted(),
    )
    distiller = OnlineDistiller([network], "pcl")
    distiller.build((None, 8, 8, 3))
    outputs = distiller(x)
    assert_same_outputs(
        outputs["ema"]["logits"], outputs["network_a"]["logits"]
    )


@pytest.mark.once
def test_a_random_weight_in_every_place():
    """The test's own tool: it leaves no weight as it was."""
    model = small_model()
    before = model.get_weights()
    randomise(model)
    for old, new in zip(before, model.get_weights()):
        assert not (old == new).any()


@keras.saving.register_keras_serializable(package="tests")
def halved(x):
    return x * 0.5


class Unregistered(layers.Rescaling):
    """A subclass that was not told to Keras."""


@keras.saving.register_keras_serializable(package="tests")
class Forgetful(layers.Layer):
    """Takes an argument that its configuration does not name."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def get_config(self):
        return super().get_config()


@keras.saving.register_keras_serializable(package="tests")
class Snow(layers.Layer):
    """Random in inference, too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(0)

    def call(self, x):
        return x + keras.random.normal(x.shape, seed=self.generator)

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: layers.Lambda(lambda x: x / 255),
            "Lambda.* as code: use.*Res",
        ),
        (
            lambda: keras.Sequential([layers.Lambda(lambda x: x / 255)]),
            "Sequential.* as code",
        ),
        (lambda: halved, "must be a Keras layer, received halved"),
        (lambda: Unregistered(0.5), "Unregistered is not registered"),
        (lambda: Forgetful(3), "Forgetful, and its get_config lacks size"),
    ],
)
def test_preprocessing_that_no_file_can_hold(make, message):
    with pytest.raises(UserError, match=message) as caught:
        tiny.network(preprocessing=make())
    assert "\n" not in str(caught.value)


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (layers.Flatten, r"must put out images.*flatten.*\(None, 64\)"),
        (Snow, "random in inference.*augmentation="),
    ],
)
def test_preprocessing_that_makes_no_images_or_others_each_time(make, message):
    network = tiny.network(preprocessing=make())
    with pytest.raises(UserError, match=message):
        network.build((None, 8, 8, 1))


@pytest.mark.once
def test_preprocessing_by_a_registered_function_and_random_in_training(
    tmp_path,
):
    """They can be saved and cut, and so they may be used."""
    both = keras.Sequential([layers.Lambda(halved), layers.RandomFlip()])
    distiller = OnlineDistiller(
        [tiny.network(preprocessing=both)], "independent"
    )
    distiller.build((None, 8, 8, 1))
    loaded = saved_and_loaded(distiller, tmp_path)
    x, _ = tiny.images()
    expected = distiller(x, training=False)
    assert_same_outputs(loaded(x, training=False), expected)
    student = loaded.student("network_a/branch_0")
    assert_same_outputs(
        student(x, training=False),
        distiller.method.students(expected)["network_a/branch_0"],
    )


class PrivateBackbone(tiny.TinyBackbone):
    """Not registered, though what it derives from is."""


@keras.saving.register_keras_serializable(package="tests")
class Dim(Transformation):
    """Would be loaded with another strength than it was trained with."""

    def __init__(self, by=0.1):
        self.by = by

    def call(self, features, branch, num_branches):
        return features * (1 - self.by * branch)


@pytest.mark.once
def test_a_transformation_whose_argument_would_be_forgotten():
    with pytest.raises(UserError, match="Dim, and its get_config lacks by"):
        tiny.network(transformation=Dim(0.3))


@pytest.mark.once
def test_backbones_that_no_file_can_hold():
    with pytest.raises(UserError, match="PrivateBackbone is not registered"):
        MultiBranchNetwork(PrivateBackbone(), 3)
    cut = split_model(small_model([Unregistered(0.5)]), "cut")
    with pytest.raises(UserError, match=r"SplitModel.*Unregistered is not reg"):
        MultiBranchNetwork(cut, 3)


@pytest.mark.once
def test_a_cohort_that_no_file_can_hold_says_so_when_it_is_saved(tmp_path):
    distiller = OnlineDistiller(
        [tiny.network()],
        "independent",
        augmentation=layers.Lambda(lambda x: x / 2),
    )
    distiller.build((None, 8, 8, 1))
    with pytest.raises(UserError, match=r"augmentation.*Lambda.*as code"):
        distiller.save(tmp_path / "cohort.keras")


@pytest.mark.once
@pytest.mark.parametrize("name", ["ffl", "hssakd", "channel_distillation"])
def test_methods_that_look_between_stages_refuse_cut_models(name):
    method = METHODS.get(name)()
    networks = [
        MultiBranchNetwork(
            split_model(small_model(), "cut"), 3, **method.network_defaults
        )
        for _ in range(method.cohort_size)
    ]
    with pytest.raises(UserError, match=r"Sequential|between the stages"):
        OnlineDistiller(networks, method)
