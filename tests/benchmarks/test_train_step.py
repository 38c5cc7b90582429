"""The yardstick of the training step, in its shortest form."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.once


@pytest.fixture
def train_step(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import train_step

    return train_step


@pytest.mark.several
def test_both_steps_compute_the_same_and_are_timed(tmp_path):
    if not importlib.util.find_spec("torch"):
        pytest.skip("the plain step needs PyTorch")
    out = tmp_path / "out.json"
    done = subprocess.run(
        [
            *(sys.executable, FOLDER / "train_step.py", "--case", "tiny"),
            *("--contenders", "plain,torch,matmul", "--rounds", "2"),
            *("--seconds", "0.05", "--out", out),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())["contenders"]
    assert found["plain"]["ratio"] == 1.0
    assert len(found["torch"]["ratios"]) == 2
    # Tiny steps round to nothing on a busy machine.
    assert 0 <= found["torch"]["utilisation"] < 1
    assert found["torch"]["first_losses"] == pytest.approx(
        found["plain"]["first_losses"], rel=1e-4
    )
    assert "torch " in done.stdout


def test_who_computes_other_losses_is_not_timed(train_step):
    same = {"first_losses": [2.0, 1.9, 1.8]}
    other = {"first_losses": [2.001, 1.9, 1.8]}
    assert train_step.other_losses({"plain": same, "jax": same}) == {}
    found = {"plain": same, "jax": other, "torch": same, "matmul": {"flops": 1}}
    differing = train_step.other_losses(found)
    assert list(differing) == ["jax"]
    assert "other losses than plain" in differing["jax"]
    # What is rounding in TF32 and bfloat16 is a mistake in float32.
    assert train_step.other_losses(found, on_gpu=True) == {}
    nan = {"plain": same, "jax_bf16": {"first_losses": [2.0, 1.9, np.nan]}}
    assert list(train_step.other_losses(nan, on_gpu=True)) == ["jax_bf16"]
