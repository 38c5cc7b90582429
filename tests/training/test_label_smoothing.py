"""Label smoothing and mixing of some batches, for every method alike."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.data.augmentation import Mixing
from keras_css.methods import METHODS


def smoothing(name, epsilon):
    method = METHODS.get(name)()
    networks = [
        tiny.network(**method.network_defaults)
        for _ in range(method.cohort_size)
    ]
    return OnlineDistiller(networks, method, label_smoothing=epsilon)


@pytest.mark.parametrize("name", ["independent", "css", "kdcl"])
def test_smoothing_is_a_distribution_in_training_only(name):
    distiller = smoothing(name, 0.2)
    x, y = tiny.images(8)
    distiller.build((None, *x.shape[1:]))
    tiny.draw_weights(distiller)
    outputs = distiller(x, training=False)
    rows = np.eye(4, dtype="float32")[y] * 0.8 + 0.2 / 4
    method = distiller.method

    def loss(labels, **options):
        value = distiller.compute_loss(x, labels, outputs, **options)
        return float(keras.ops.stop_gradient(value))

    found = loss(y, training=True)
    expected = method.compute_losses(
        outputs, keras.ops.convert_to_tensor(rows), training=True
    )
    wanted = keras.ops.convert_to_numpy(expected["loss"])
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    distiller.label_smoothing = 0.0
    assert loss(y, training=True) != pytest.approx(found, rel=1e-4)
    unsmoothed = loss(y, training=False)
    distiller.label_smoothing = 0.2
    assert loss(y, training=False) == unsmoothed


def test_it_is_saved_and_its_range_is_checked():
    distiller = smoothing("dml", 0.1)
    again = OnlineDistiller.from_config(distiller.get_config())
    assert again.label_smoothing == 0.1
    with pytest.raises(UserError, match=r"label_smoothing must lie in \[0, 1"):
        smoothing("dml", 1.0)


@pytest.mark.parametrize("alphas", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_a_share_of_the_batches_is_mixed(alphas):
    """The first draw decides: below the probability as if always mixed."""
    always = Mixing(*alphas)
    some = Mixing(*alphas, probability=0.25)
    images = np.random.default_rng(0).random((4, 8, 8, 1), "float32")
    for kind in (0.1, 0.2, 0.3, 0.9):
        draws = np.full((4, 4), 0.37, "float32")
        draws[:, 0] = kind
        found, share = some(images, draws)
        if kind < 0.25:
            draws[:, 0] = kind / 0.25
            expected, own = always(images, draws)
            assert float(own) < 1
        else:
            expected, own = images, 1.0
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(found),
            keras.ops.convert_to_numpy(expected),
            atol=1e-6,
        )
        assert float(share) == pytest.approx(float(own))
    with pytest.raises(UserError, match=r"probability must lie in \(0, 1\]"):
        Mixing(1.0, probability=0.0)
