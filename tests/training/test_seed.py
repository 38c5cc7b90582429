"""One seed repeats all that is random in a process."""

import random
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_css.training.seed import set_seed

FRESH = """
import sys, keras
from keras_css.training.seed import set_seed
draws = []
for _ in range(2):
    set_seed(5)
    draws.append(float(keras.random.uniform(())))
assert draws[0] == draws[1], draws
print(sorted({"tensorflow", "jax", "torch"} & set(sys.modules)))
"""


def draw():
    """Returns a number of each generator that training may use."""
    drawn = [keras.random.uniform(()), keras.random.normal(())]
    dropout = keras.layers.Dropout(0.5)(np.ones((1, 64)), training=True)
    kernel = keras.initializers.GlorotUniform()((3, 3))
    drawn += [dropout, kernel, random.random(), np.random.uniform()]
    return [np.asarray(keras.ops.convert_to_numpy(value)) for value in drawn]


@pytest.mark.parametrize("seed", [0, np.int64(7)])
def test_the_same_seed_repeats_every_draw(seed):
    set_seed(seed)
    first, later = draw(), draw()
    set_seed(seed)
    again = draw()
    for value, repeated in zip(first, again, strict=True):
        np.testing.assert_array_equal(value, repeated)
    for value, other in zip(first, later, strict=True):
        assert not np.array_equal(value, other)


@pytest.mark.once
def test_seeding_imports_nothing_that_the_backend_does_not_need():
    """In a process that has not seen TensorFlow, as `train` runs in."""
    by_keras, ours = (
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\n")[-2]
        for code in (
            "import sys, keras\n" + FRESH.splitlines()[-1],
            FRESH,
        )
    )
    assert ours == by_keras
