"""The three backends compute the same losses and gradients.

From shared weights (a saved distiller) and shared images, one real training
step on each. Gradients are read off the velocity, which after one step from
rest is the gradient; each weight's gradient agrees within 1e-4 of its norm.
"""

import importlib.util
import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_css
from keras_css.methods import CSS
from keras_css.methods import PCL

BACKENDS = ("tensorflow", "jax", "torch")

ONE_STEP = """
import sys
import keras
import numpy as np
import keras_css
data, found, *models = sys.argv[1:]
with np.load(data) as file:
    x, y, weight = file["x"], file["y"], file["weight"]
values = {}
for model in models:
    distiller = keras.saving.load_model(model)
    logs = distiller.train_on_batch(
        x, y, sample_weight=weight, return_dict=True
    )
    for name, value in logs.items():
        values[f"{model} {name}"] = float(value)
    for i, velocity in enumerate(distiller.optimizer.velocities):
        gradient = keras.ops.convert_to_numpy(velocity)
        values[f"{model} gradient {i}"] = gradient
np.savez(found, **values)
"""


@pytest.mark.once
@pytest.mark.several
def test_losses_and_gradients_agree(tmp_path):
    installed = [b for b in BACKENDS if importlib.util.find_spec(b)]
    if len(installed) < 2:
        pytest.skip(f"only {installed} is installed: nothing to compare")
    keras.utils.set_random_seed(0)
    models = []
    # The other methods' losses are held to NumPy on each backend, by
    # tests/methods/float64_losses.py.
    joint, plain = {}, {"transformation": "none", "joint_labels": False}
    for method, count, options in (
        (CSS(variant="released"), 2, joint),
        (CSS(variant="main_branch"), 2, {"main_branch": True}),
        (PCL(), 1, plain),
    ):
        networks = [
            keras_css.MultiBranchNetwork(
                "resnet8", 5, num_branches=2, **options
            )
            for _ in range(count)
        ]
        distiller = keras_css.OnlineDistiller(networks, method)
        distiller.compile(keras_css.SGD(0.1, momentum=0.9, weight_decay=0.0))
        distiller.build((None, 12, 12, 3))
        models.append(f"{len(models)}.keras")
        distiller.save(tmp_path / models[-1])
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "data.npz",
        x=rng.normal(size=(16, 12, 12, 3)).astype("float32"),
        y=rng.integers(0, 5, 16).astype("int32"),
        weight=rng.uniform(0.5, 2, 16).astype("float32"),
    )
    results = {}
    for backend in installed:
        subprocess.run(
            [
                *(sys.executable, "-c", ONE_STEP),
                *("data.npz", f"{backend}.npz", *models),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                # As users' steps are.
                "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",
            },
            check=True,
            capture_output=True,
        )
        with np.load(tmp_path / f"{backend}.npz") as file:
            results[backend] = {name: file[name] for name in file.files}
    for one, other in itertools.combinations(installed, 2):
        assert set(results[one]) == set(results[other])
        for name, value in results[one].items():
            difference = np.linalg.norm(value - results[other][name])
            scale = np.linalg.norm(value)
            assert difference <= 1e-4 * scale + 1e-7, (one, other, name)
