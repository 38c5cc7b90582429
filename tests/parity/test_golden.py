"""CSS agrees with values computed by the authors' code, on this backend.

The folder of the files is `CSS_GOLDEN_DIR`, by default `golden/` beside this
file; each file's own `config/*` says which networks to build. The reference
was computed in float64, ours in float32. Tolerances: logits 1e-4 absolute,
losses 1e-4 relative, gradient norms 1e-3 relative, weights 1e-4 relative to
their norm.
"""

import os
import pathlib

import keras
import numpy as np
import pytest
from golden_case import NETWORKS
from golden_case import GoldenCase
from torch_names import to_torch

from keras_css.evaluation.diversity import diversity
from keras_css.methods import METHODS

FOLDER = pathlib.Path(
    os.environ.get("CSS_GOLDEN_DIR", pathlib.Path(__file__).parent / "golden")
)
FILES = sorted(FOLDER.glob("*.npz"))
LOGITS = 1e-4
LOSSES = 1e-4
GRADIENTS = 1e-3
WEIGHTS = 1e-4


def test_there_are_golden_files():
    assert FILES, f"no *.npz in {FOLDER}"


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def case(request):
    """A golden file trained for its three steps; what was seen on the way."""
    with np.load(request.param, allow_pickle=False) as file:
        method = str(file["config/method"]) if "config/method" in file else ""
    if method:
        assert method not in METHODS, f"a parity test for {method} is due"
        pytest.skip(f"method '{method}' is not part of keras_css yet")
    case = GoldenCase(request.param)
    distiller = case.distiller
    case.start_logits = case.logits(case.images[0])
    case.start_students = distiller.predict(case.images[0], verbose=0)
    case.steps = []
    for step, (images, labels) in enumerate(zip(case.images, case.labels)):
        logits = case.logits(images, training=True)
        distiller.optimizer.learning_rate = float(case.values[f"step{step}/lr"])
        distiller.reset_metrics()
        logs = distiller.train_on_batch(images, labels, return_dict=True)
        logs = {name: float(value) for name, value in logs.items()}
        case.steps.append((logits, logs))
        if step == 0:
            case.gradients = first_gradients(case)
    return case


def first_gradients(case):
    """Returns dict from (side, name) to the gradient of step 0.

    After one step from rest the velocity is g + weight_decay * p.
    """
    optimizer = case.distiller.optimizer
    velocity = {
        id(variable): optimizer.velocities[i]
        for i, variable in enumerate(case.distiller.trainable_variables)
    }
    decay = optimizer.coupled_weight_decay
    found = {}
    for side, weights in case.weights.items():
        start = case.group(f"init/{side}/")
        for name, variable in weights.items():
            if variable.trainable:
                value = keras.ops.convert_to_numpy(velocity[id(variable)])
                value = to_torch(value).astype("float64")
                found[side, name] = value - decay * start[name].astype(float)
    return found


def probes(value):
    """Returns sum, L2 norm and dot with cos(0, 1, 2, ...), flattened."""
    flat = np.asarray(value, "float64").ravel()
    wave = np.cos(np.arange(flat.size))
    return np.array([flat.sum(), np.linalg.norm(flat), flat @ wave])


def assert_probes(found, expected, tolerance, name):
    """A sum or a dot is held against the norm: both may cancel to nearly 0.

    Rounding errors of size `tolerance * norm / sqrt(size)` per entry add up
    to at most `tolerance * norm` in each probe.
    """
    scale = max(float(expected[1]), 1e-6)
    np.testing.assert_allclose(
        found / scale, expected / scale, atol=tolerance, rtol=0, err_msg=name
    )


def test_inference_logits_and_aggregates(case):
    values = case.values
    for side, name in NETWORKS.items():
        np.testing.assert_allclose(
            case.start_logits[side], values[f"eval/logits_{side}"], atol=LOGITS
        )
        np.testing.assert_allclose(
            case.start_students[name], values[f"eval/agg_{side}"], atol=LOGITS
        )
    np.testing.assert_allclose(
        case.start_students["ensemble"], values["eval/agg"], atol=LOGITS
    )


def test_diversity(case):
    logits = {name: case.start_logits[s] for s, name in NETWORKS.items()}
    found = diversity(logits, case.num_classes)
    for kind in ("all", "mutual"):
        expected = float(case.values[f"eval/diversity_{kind}"])
        assert found[f"released_{kind}"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_training_step(case, step):
    logits, logs = case.steps[step]
    expected = case.group(f"step{step}/")
    for side, name in NETWORKS.items():
        np.testing.assert_allclose(
            logits[side], expected[f"logits_{side}"], atol=LOGITS
        )
        for ours, theirs in (
            ("ce", "ce"),
            ("kd", "kd"),
            ("utility_score", "alpha"),
            ("loss", "loss"),
        ):
            assert logs[f"{name}/{ours}"] == pytest.approx(
                float(expected[f"{theirs}_{side}"]), rel=LOSSES
            ), (name, ours)
    assert logs["loss"] == pytest.approx(float(expected["loss"]), rel=LOSSES)


def test_gradients_of_the_first_step(case):
    for side in NETWORKS:
        expected = case.group(f"step0/grad/{side}/")
        assert len(expected) == sum(key[0] == side for key in case.gradients)
        for name, value in expected.items():
            found = probes(case.gradients[side, name])
            assert_probes(found, value, GRADIENTS, f"{side}/{name}")


def test_weights_and_logits_after_three_steps(case):
    for side, weights in case.weights.items():
        expected = case.group(f"final/{side}/")
        for name, variable in weights.items():
            found = probes(to_torch(keras.ops.convert_to_numpy(variable)))
            assert_probes(found, expected[name], WEIGHTS, f"{side}/{name}")
    logits = case.logits(case.images[0])
    for side in NETWORKS:
        np.testing.assert_allclose(
            logits[side], case.values[f"final/logits_{side}"], atol=LOGITS
        )
