"""Each backend's own convolution with BatchNorm does what Keras' layers do."""

import keras
import numpy as np
import pytest
from gradients import value_and_gradients

from keras_css.backbones.batch_norm import BatchNorm
from keras_css.backbones.kernels import conv_norm
from keras_css.backbones.residual import convolution

SHAPE = (2, 7, 8)
pytestmark = pytest.mark.usefixtures("optimized")


class LayerByLayer(BatchNorm):
    """Not exactly ours, so that `conv_norm` calls Keras' layers."""


@pytest.mark.parametrize("relu_and_sum", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize(("channels", "filters"), [(3, 5), (6, 2)])
def test_values_statistics_and_gradients(
    size, stride, channels, filters, relu_and_sum
):
    rng = np.random.default_rng(size + 10 * stride + 3 * filters)

    def draw(*shape):
        return rng.normal(size=shape).astype("float32")

    out = (*(-(-side // stride) for side in SHAPE[1:]), filters)
    leaves = {
        "x": draw(*SHAPE, channels),
        "kernel": draw(size, size, channels, filters),
        "gamma": draw(filters),
        "beta": draw(filters),
        "add": draw(SHAPE[0], *out),
    }
    weights = draw(SHAPE[0], *out)
    found, statistics = {}, {}
    for kind in (BatchNorm, LayerByLayer):
        conv, norm = convolution(filters, size, stride), kind()
        # A 1x1 convolution of stride 2 has no padding, whatever it is called.
        pad, half, padded = None, size // 2, list(SHAPE)
        if half and stride == 2:
            pad = keras.layers.ZeroPadding2D(half, data_format="channels_last")
            padded[1:] = [side + 2 * half for side in SHAPE[1:]]
        conv.build((*padded, channels))
        norm.build((SHAPE[0], *out))
        rest = {"conv": conv, "norm": norm, "pad": pad, "training": True}
        rest["relu"] = relu_and_sum

        def loss(given, rest=rest):
            conv, norm = rest["conv"], rest["norm"]
            pairs = [
                (conv.kernel, given["kernel"]),
                (norm.gamma, given["gamma"]),
                (norm.beta, given["beta"]),
            ]
            add = given["add"] if rest["relu"] else None
            with keras.StatelessScope(pairs):
                y = conv_norm(given["x"], add=add, **rest)
            return keras.ops.sum(keras.ops.multiply(y, weights))

        found[kind] = value_and_gradients(loss, leaves)
        conv.kernel.assign(leaves["kernel"])
        norm.moving_mean.assign(np.zeros(filters))
        norm.moving_variance.assign(np.ones(filters))
        conv_norm(keras.ops.convert_to_tensor(leaves["x"]), **rest)
        statistics[kind] = [
            keras.ops.convert_to_numpy(average)
            for average in (norm.moving_mean, norm.moving_variance)
        ]
    value, gradients = found[BatchNorm]
    expected_value, expected = found[LayerByLayer]
    assert value == pytest.approx(expected_value, rel=1e-5, abs=1e-4)
    for name, wanted in expected.items():
        np.testing.assert_allclose(
            gradients[name], wanted, rtol=1e-4, atol=1e-4, err_msg=name
        )
    assert np.abs(expected["kernel"]).max() > 0.1
    assert np.abs(statistics[BatchNorm][0]).max() > 0
    np.testing.assert_allclose(*statistics.values(), rtol=1e-5, atol=1e-6)
