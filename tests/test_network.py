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

BACKENDS = ("tensorflow", "jax", "torch")
# Loads and runs each file that others saved, then saves one of its own.
LOAD_AND_SAVE = """
import sys
import keras
import numpy as np
import keras_css
images, outputs, saved, *paths = sys.argv[1:]
found = {}
for path in paths:
    network = keras.saving.load_model(path)
    for name, value in network.predict(np.load(images), verbose=0).items():
        found[f"{path} {name}"] = value
network.save(saved)
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


@pytest.mark.once
@pytest.mark.several
def test_saved_on_each_backend_and_loaded_on_every_other(tmp_path):
    """The running one's file goes round; each backend loads all before it."""
    here = keras.backend.backend()
    others = [
        backend
        for backend in BACKENDS
        if backend != here and importlib.util.find_spec(backend)
    ]
    if not others:
        pytest.skip(f"only {here} is installed")
    network = MultiBranchNetwork(
        "resnet8",
        num_classes=3,
        preprocessing=keras.layers.Rescaling([1 / 9.0], [-0.5]),
    )
    x = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 1), "uint8")
    # Move the running statistics, so that they are seen to be saved.
    network(x, training=True)
    expected = network.predict(x, verbose=0)
    network.save(tmp_path / f"{here}.keras")
    np.save(tmp_path / "images.npy", x)
    files = [f"{here}.keras"]
    # The first of the others comes again, for the file of the last.
    for backend in [*others, *others[:-1]]:
        read = [file for file in files if file != f"{backend}.keras"]
        subprocess.run(
            [
                *(sys.executable, "-c", LOAD_AND_SAVE, "images.npy"),
                *(f"{backend}.npz", f"{backend}.keras", *read),
            ],
            cwd=tmp_path,
            env={**os.environ, "KERAS_BACKEND": backend},
            check=True,
        )
        with np.load(tmp_path / f"{backend}.npz") as found:
            assert len(found.files) == len(read) * len(expected)
            for name in found.files:
                np.testing.assert_allclose(
                    found[name],
                    expected[name.split()[1]],
                    atol=1e-5,
                    err_msg=f"{name} on {backend}",
                )
        files = sorted({*files, f"{backend}.keras"})
    for file in files:
        again = keras.saving.load_model(tmp_path / file)
        for name, value in again.predict(x, verbose=0).items():
            np.testing.assert_allclose(value, expected[name], atol=1e-5)


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
