"""train.py --precision as a user types it."""

import json
import pathlib

import keras
import numpy as np
import pytest
from quick_run import forget_last_checkpoint

SMALL = (
    *("--dataset", "digits", "--method", "independent", "--network_a"),
    *("resnet8", "--network_b", "none", "--branches", "1", "--epochs", "2"),
)


def loss_scale_steps(run):
    """Returns how many steps the loss scale of the last epoch has stood."""
    with np.load(run / "checkpoints" / "epoch_0002.npz") as file:
        (name,) = [n for n in file.files if n.endswith("/step_counter")]
        return int(file[name])


@pytest.mark.once
def test_trained_in_float16_saved_and_measured_in_float32(call):
    run = pathlib.Path("run")
    code, _, err = call(
        *("train", *SMALL, "--run_dir", run, "--precision", "mixed_float16"),
        *("--average_weights", "0.99"),
    )
    assert code == 0, err
    result = json.loads((run / "result.json").read_text())
    for name in ("network_a", "network_a/branch_0"):
        assert result["test"][name] > 0.3
        assert result["test"][f"{name}/averaged"] > 0.3
    network = keras.saving.load_model(run / "models" / "network_a.keras")
    layers = network._flatten_layers()
    assert {layer.dtype_policy.name for layer in layers} == {"float32"}
    code, out, err = call("evaluate", "--run_dir", run, "--json")
    assert code == 0, err
    assert json.loads(out)["test"] == result["test"]

    steps = loss_scale_steps(run)
    assert steps == 2 * (1295 // 64)
    forget_last_checkpoint(run)
    resume = ("train", "--run_dir", run, "--resume")
    code, _, err = call(*resume, "--precision", "float32")
    assert code == 2
    assert "--precision must be that of the run to resume" in err
    code, out, err = call(*resume, "--steps_per_call", "7")
    assert code == 0, err
    assert "resuming after epoch 1" in out
    assert loss_scale_steps(run) == steps
    again = json.loads((run / "result.json").read_text())
    assert abs(again["test"]["network_a"] - result["test"]["network_a"]) < 0.1


@pytest.mark.once
@pytest.mark.parametrize(
    ("flag", "value"), [("precision", "float16"), ("steps_per_call", "0")]
)
def test_settings_out_of_range_are_refused(call, flag, value):
    code, _, err = call("train", *SMALL, "--run_dir", "new", f"--{flag}", value)
    assert code == 2
    assert f"--{flag} must be" in err
    assert f"received {value}" in err.replace("'", "")
    assert not pathlib.Path("new").exists()
