"""Initial weights: PyTorch's distributions, the same on every backend."""

import keras
import numpy as np
import pytest

import keras_css
from keras_css.initial_weights import KaimingNormal
from keras_css.initial_weights import Uniform
from keras_css.training.seed import set_seed


def test_the_distributions():
    kernel = keras.ops.convert_to_numpy(KaimingNormal(seed=1)((3, 3, 16, 64)))
    assert kernel.dtype == "float32"
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)
    values = keras.ops.convert_to_numpy(Uniform(0.25, seed=1)((64, 100)))
    assert 0.249 < values.max() <= 0.25
    assert values.std() == pytest.approx(0.5 / np.sqrt(12), rel=0.02)


def test_the_same_seed_gives_the_same_weights_on_every_backend():
    def weights(seed):
        set_seed(seed)
        network = keras_css.MultiBranchNetwork("resnet8", 4, num_branches=2)
        network.build((None, 16, 16, 1))
        return network.get_weights()

    first, again, other = weights(0), weights(0), weights(1)
    for value, repeated in zip(first, again, strict=True):
        np.testing.assert_array_equal(value, repeated)
    assert not np.array_equal(first[0], other[0])
    # What NumPy draws from Python's seed, whichever backend holds it.
    total = sum(float(np.abs(value).sum()) for value in first)
    assert total == pytest.approx(8374.24265, rel=1e-6)
