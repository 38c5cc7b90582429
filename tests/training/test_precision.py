"""Mixed precision: what is rounded, what is not, and the loss scale."""

import dataclasses

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css.backbones.residual import Stem
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation.transform import Transform
from keras_css.precision import default_precision

MIXED = ("mixed_bfloat16", "mixed_float16")
LossScaleOptimizer = keras.optimizers.LossScaleOptimizer


def cohort(precision, optimizer=None):
    return tiny.cohort(
        "css",
        optimizer=optimizer or keras_css.SGD(0.1),
        num_branches=1,
        dtype=precision,
    )


def fit(distiller, epochs=1, first=0):
    x, y = tiny.images(16)
    return distiller.fit(
        x,
        y,
        batch_size=8,
        shuffle=False,
        initial_epoch=first,
        epochs=first + epochs,
        verbose=0,
    ).history


def numpy_of(variables):
    return [keras.ops.convert_to_numpy(v) for v in variables]


def assert_equal(found, expected):
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(value, wanted)


@pytest.fixture(scope="module")
def reference():
    return fit(cohort("float32"), epochs=6)["loss"]


@pytest.mark.parametrize("precision", MIXED)
def test_trains_like_float32_and_is_saved_whole(precision, reference, tmp_path):
    distiller = cohort(precision)
    losses = fit(distiller, epochs=6)["loss"]
    assert losses[-1] < 0.9 * losses[0]
    np.testing.assert_allclose(losses, reference, rtol=0.05)
    assert losses != reference, "was not mixed at all"
    scaled = isinstance(distiller.optimizer, LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")

    distiller.save(tmp_path / "mixed.keras")
    loaded = keras.saving.load_model(tmp_path / "mixed.keras")
    for model in (distiller, loaded):
        assert {w.dtype for w in model.weights} == {"float32"}
        for network in model.networks:
            layers = [*network.tails, *network.heads, network.trunk]
            policies = {layer.dtype_policy.name for layer in layers}
            assert policies == {precision}
    assert type(loaded.optimizer) is type(distiller.optimizer)
    x, _ = tiny.images(5)
    expected = distiller.predict_outputs(x, verbose=0)["network_a"]
    found = loaded.predict_outputs(x, verbose=0)["network_a"]
    assert found["logits"].dtype == found["features"].dtype == "float32"
    assert_equal(found.values(), expected.values())


def test_a_step_whose_gradients_overflow_is_skipped(tmp_path):
    """The guard lets it pass; the scale is halved, saved and restored."""
    scale = 2.0**80
    optimizer = LossScaleOptimizer(keras_css.SGD(0.1), initial_scale=scale)
    distiller = cohort("mixed_float16", optimizer)
    assert distiller.optimizer is optimizer, "was wrapped twice"
    distiller.build((None, 8, 8, 1))
    before = numpy_of(distiller.trainable_variables)
    history = fit(distiller)
    assert np.isfinite(history["loss"]).all()
    assert_equal(numpy_of(distiller.trainable_variables), before)
    assert float(optimizer.dynamic_scale.value) == scale / 4
    assert int(optimizer.iterations.value) == 0

    optimizer.dynamic_scale.assign(2.0**10)
    fit(distiller)
    assert int(optimizer.iterations.value) == 2
    distiller.save_weights(tmp_path / "checkpoint.weights.h5")
    resumed = cohort("mixed_float16")
    resumed.build((None, 8, 8, 1))
    resumed.optimizer.build(resumed.trainable_variables)
    resumed.load_weights(tmp_path / "checkpoint.weights.h5")
    assert_equal(
        numpy_of(resumed.optimizer.variables), numpy_of(optimizer.variables)
    )
    assert float(resumed.optimizer.dynamic_scale.value) == 2.0**10


@dataclasses.dataclass(frozen=True)
class NoteDraws(Transform):
    """Changes nothing."""

    seen: list = dataclasses.field(default_factory=list)
    num_draws = 1

    def __call__(self, images, draws):
        self.seen.append(float(keras.ops.max(draws)))
        return images


@pytest.mark.parametrize("precision", MIXED)
def test_draws_and_pixels_are_not_rounded(precision):
    """A draw in half precision can be 1.0; pixels are normalised first."""
    note = NoteDraws()
    magnify = keras.layers.Rescaling(32.0, -6400.0, dtype="float32")
    with default_precision(precision):
        network = tiny.network(num_branches=1, preprocessing=magnify)
        distiller = keras_css.OnlineDistiller(
            [network], "independent", augmentation=Augmentation([note])
        )
    distiller.build((None, 8, 8, 1))
    assert network.trunk.compute_dtype == precision.removeprefix("mixed_")
    images = np.full((4, 8, 8, 1), 200.0, "float32")
    draws = np.full((4, 1), 0.99999, "float32")
    distiller({"images": images, "draws": draws}, training=True)
    assert note.seen[0] < 1
    plain, brighter = (
        distiller.predict(pixels, verbose=0)["network_a"]
        for pixels in (images, images + 0.03)
    )
    assert np.abs(plain - brighter).max() > 0.01


@pytest.mark.parametrize("precision", MIXED)
def test_batch_norm_statistics_are_summed_in_float32(precision):
    """Half precision would stop adding ones at 256 or 2048."""
    with default_precision(precision):
        stem = Stem(1)
    images = np.random.default_rng(0).integers(0, 200, (4, 64, 64, 1))
    images = images.astype("float32")
    stem(images)
    kernel = np.zeros((3, 3, 1, 1), "float32")
    kernel[1, 1] = 1.0
    stem.conv1.set_weights([kernel])
    assert "float32" not in str(stem(images, training=True).dtype)
    mean, variance = (
        keras.ops.convert_to_numpy(v)[0]
        for v in (stem.bn1.moving_mean, stem.bn1.moving_variance)
    )
    assert mean == pytest.approx(0.1 * images.mean(), rel=1e-4)
    assert variance == pytest.approx(0.9 + 0.1 * images.var(ddof=1), rel=1e-4)
