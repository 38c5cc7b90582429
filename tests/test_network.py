"""MultiBranchNetwork: shapes, branches, saving across backends."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny

from keras_css import MultiBranchNetwork
from keras_css import UserError

LOAD_AND_RUN = """
import sys
import keras
import numpy as np
import keras_css
path, images, outputs = sys.argv[1:]
network = keras.saving.load_model(path)
found = network.predict(np.load(images), verbose=0)
np.savez(outputs, **found)
"""


@pytest.mark.parametrize("branches", [1, 2, 5])
@pytest.mark.parametrize("joint", [True, False])
def test_shapes(branches, joint):
    network = tiny.network(
        num_classes=4,
        num_branches=branches,
        joint_labels=joint,
        transformation="channel_group_drop",
    )
    outputs = network(np.zeros((3, 8, 8, 1), "float32"))
    columns = 4 * branches if joint else 4
    assert set(outputs) == {"logits", "features"}
    assert tuple(outputs["logits"].shape) == (3, columns, branches)
    assert tuple(outputs["features"].shape) == (3, 6, branches)


def test_each_branch_is_tail_and_head_of_the_transformed_trunk():
    network = tiny.network(num_branches=2)
    x, _ = tiny.images()
    outputs = network(x)
    shared = network.trunk(x)
    for i in range(2):
        seen = network.transformation(shared, i, 2)
        features = network.tails[i](seen)
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(outputs["features"])[:, :, i],
            keras.ops.convert_to_numpy(features),
            atol=1e-6,
        )
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(outputs["logits"])[:, :, i],
            keras.ops.convert_to_numpy(network.heads[i](features)),
            atol=1e-6,
        )


def test_saved_here_and_loaded_on_every_other_backend(tmp_path):
    network = MultiBranchNetwork(
        "resnet8",
        num_classes=3,
        preprocessing=keras.layers.Rescaling([1 / 9.0], [-0.5]),
    )
    x = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 1), "uint8")
    # Move the running statistics, so that they are seen to be saved.
    network(x, training=True)
    expected = network.predict(x, verbose=0)
    network.save(tmp_path / "network.keras")
    np.save(tmp_path / "images.npy", x)
    here = keras.backend.backend()
    others = [
        backend
        for backend in ("tensorflow", "jax", "torch")
        if backend != here and importlib.util.find_spec(backend)
    ]
    # Where nothing else is installed, at least a process of its own.
    for backend in others or [here]:
        outputs = tmp_path / f"{backend}.npz"
        subprocess.run(
            [
                *(sys.executable, "-c", LOAD_AND_RUN),
                *(tmp_path / "network.keras", tmp_path / "images.npy", outputs),
            ],
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
        )
        with np.load(outputs) as found:
            for key, value in expected.items():
                np.testing.assert_allclose(found[key], value, atol=1e-5)


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match="num_branches must be at least 1"):
        tiny.network(num_branches=0)
    with pytest.raises(UserError, match="num_classes must be at least 2"):
        tiny.network(num_classes=1)
    with pytest.raises(UserError, match=r"rank 4.*Received: shape=.None, 8, 8"):
        tiny.network().build((None, 8, 8))


@pytest.mark.once
def test_numbers_of_numpy_are_taken_as_numbers(tmp_path):
    """`uint8` would overflow: 200 classes times 3 branches are 600 columns."""
    counts = {"num_classes": np.uint8(200), "num_branches": np.int64(3)}
    network = tiny.network(**counts)
    assert network(np.zeros((1, 8, 8, 1), "float32"))["logits"].shape == (
        *(1, 600, 3),
    )
    config = network.get_config()
    assert all(type(config[name]) is int for name in counts)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.count_params() == network.count_params()
    for name, value in (("num_classes", 4.0), ("num_branches", "3")):
        with pytest.raises(UserError, match=f"{name} must be an integer"):
            tiny.network(**{name: value})
