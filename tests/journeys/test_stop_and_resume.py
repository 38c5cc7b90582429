"""A training that is stopped, killed or damaged goes on as if nothing was."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from exactly import EXACTLY
from quick_run import QUICK
from quick_run import only_run

from keras_css.untrusted.keras_files import load_keras

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path):
    """Returns `start(*flags)`: a training that runs beside the test."""
    begun = []

    def run(*flags):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "scripts/train.py"), *map(str, flags)],
            cwd=tmp_path,
            env={
                **os.environ,
                **EXACTLY,
                "KERAS_BACKEND": keras.backend.backend(),
                "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield run
    for process in begun:
        process.kill()
        process.communicate()


def wait_for(process, pattern, folder):
    end = time.monotonic() + 300
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def weights(run):
    models = [load_keras(path) for path in sorted(run.glob("models/*.keras"))]
    assert models
    return [keras.ops.convert_to_numpy(v) for m in models for v in m.variables]


def test_a_training_stopped_within_an_epoch_ends_like_a_whole_one(
    trained, start, command, call, tmp_path
):
    run = tmp_path / "run"
    process = start(*QUICK, "--run_dir", run, "--checkpoint_minutes", "0")
    wait_for(process, "checkpoints/epoch_0001_step_*.npz", run)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert "SIGTERM: saving after this step" in said
    assert "stopped by SIGTERM, all saved: go on with --resume" in said
    state = json.loads((run / "checkpoints/state.json").read_text())
    last = state["epochs"][-1]
    assert last["epoch"] == 1
    assert last["step"] > 0
    done = command("scripts/train.py", "--run_dir", run, "--resume", cwd=run)
    assert done.returncode == 0, done.stderr
    assert f"resuming after epoch 1, step {last['step']}" in done.stdout
    whole = only_run(trained[0])
    results = [
        json.loads((place / "result.json").read_text())
        for place in (whole, run)
    ]
    for own, expected in zip(weights(run), weights(whole), strict=True):
        np.testing.assert_array_equal(own, expected)
    same = ("validation", "test", "best_student", "selected_epoch")
    for name in (*same, "calibration_error", "diversity"):
        assert results[1][name] == results[0][name]
    rows = [
        [
            line.split(",")[:1] + line.split(",")[2:]
            for line in (place / "history.csv").read_text().splitlines()
        ]
        for place in (whole, run)
    ]
    assert rows[1] == rows[0], "all but the seconds"
    code, said, _ = call("train", "--run_dir", run, "--resume")
    assert code == 0
    assert "is complete" in said


@pytest.mark.once
def test_a_second_training_is_refused_and_a_second_signal_ends_at_once(
    start, tmp_path
):
    run = tmp_path / "run"
    process = start(*QUICK, "--run_dir", run, "--epochs", "2000")
    wait_for(process, "checkpoints/state.json", run)
    second = start("--run_dir", run, "--resume")
    _, said = second.communicate(timeout=300)
    assert second.returncode == 2
    assert "One training at a time may work in" in said
    assert f"process {process.pid}" in said
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (128 + signal.SIGINT,)
    assert not (run / "result.json").exists()
