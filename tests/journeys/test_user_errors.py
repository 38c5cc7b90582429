"""Wrong flags and bad data: one line, exit code 2, nothing written."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from npz_file import npz


@pytest.fixture
def refused(call):
    """Returns `refused(*flags)`: the one line that train says."""

    def run(*flags):
        code, _, said = call("train", *flags)
        assert code == 2
        (line,) = said.splitlines()
        assert line.startswith("error: ")
        return line

    return run


@pytest.mark.once
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--dataset", "digit"], ["dataset 'digit'", "did you mean digits"]),
        (["--method", "cs"], ["method 'cs'", "did you mean css"]),
        (["--network_a", "resnet21"], ["backbone", "did you mean resnet"]),
        (["--transformation", "corner"], ["Unknown transformation 'corner'"]),
        (["--branches", "5"], ["at most 4 branches", "received 5"]),
        (["--branches", "0"], ["--branches must be a whole number from 1"]),
        (["--epochs", "many"], ["epochs"]),
        (["--seed", "4294967296"], ["--seed must be a whole number from 0"]),
        (["--weight_decay", "inf"], ["--weight_decay must be a number"]),
        (["--momentum", "2"], ["momentum must lie in [0, 1)"]),
        (["--resume", "--run_dir", __file__], ["must be the folder of a run"]),
        (["--learning_rate", "-1"], ["--learning_rate", "positive"]),
        (["--method_option", "variant=x"], ["variant of CSS 'x'"]),
        (["--method_option", "heat=3"], ["option of method css 'heat'"]),
        (["--method_option", "temperature=hot"], ["must be a float"]),
        (["--resume"], ["--resume needs --run_dir"]),
        (["--run_dri", "x"], ["Unknown command line flag", "run_dir"]),
        (["digits"], ["flags must begin with --"]),
        (["--dataset", "npz"], ["needs --data_dir"]),
        (["--data_dir", "x.npz"], ["did you mean --dataset npz"]),
        (["--dataset", "npz", "--data_dir", "nowhere.npz"], ["nowhere.npz"]),
    ],
)
def test_a_wrong_flag_gets_one_line_and_writes_nothing(
    refused, tmp_path, flags, words
):
    error = refused(*flags)
    for word in words:
        assert word in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_train": np.zeros((40, 8, 8), "uint8")}, "rank 4"),
        ({"x_train": np.zeros((40, 8, 8, 3), "float32")}, "must be uint8"),
        ({"y_train": np.zeros(40)}, "must be integers"),
        ({"y_train": np.full(40, 7)}, "must lie in [0, 3]"),
        ({"classes": np.array(["a", "b", "c"] * 400)}, "1200 classes for 48"),
        ({"y_train": np.full(40, -1)}, "must not be negative"),
        ({"y_train": np.zeros(39, int)}, "40 images and 39 labels"),
        ({"x_test": np.zeros((8, 9, 9, 3), "uint8")}, "must have one shape"),
        ({"classes": np.array([{}], object)}, "damaged or something else"),
        ({"classes": np.array(4)}, "list of at least two names"),
        ({"x_train": np.zeros((40, 8, 8, 0), "uint8")}, "received uint8 of"),
    ],
)
def test_bad_images_and_labels_get_one_line(refused, tmp_path, changes, words):
    path = npz(tmp_path / "bad.npz", **changes)
    error = refused(
        *("--dataset", "npz", "--data_dir", path, "--run_dir", "run"),
    )
    assert words in error
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_an_unknown_backend_is_refused_by_the_console_command(tmp_path):
    """In a process of its own, as installed; Keras need not even start."""
    command = shutil.which(
        "keras-css", path=pathlib.Path(sys.executable).parent
    )
    done = subprocess.run(
        [command, "train", "--backend", "jaxx"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: Unknown backend 'jaxx': did you mean jax? "
        "Known: tensorflow, jax, torch.\n"
    )
    assert list(tmp_path.iterdir()) == []
    wrong = subprocess.run(
        [command, "trian"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "did you mean train" in wrong.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["benchmark", "x.onnx", "--seconds", "inf"], "--seconds must be"),
        (["benchmark", "x.onnx", "--seconds", "nan"], "--seconds must be"),
        (["benchmark", "x.onnx", "--seconds", "1e9"], "--seconds must be"),
        (["benchmark", "x.onnx", "--threads", "65536"], "--threads must be"),
        (["benchmark", "x.onnx", "--threads", "0"], "--threads must be"),
        (
            ["benchmark", "x.onnx", "--batch_sizes", "9" * 5000],
            "--batch_sizes must be whole",
        ),
        (["train", "--image_size", "9" * 5000], "--image_size must be"),
        (
            ["train", "--branches", "65", "--method", "independent"],
            "--branches must be at most 64, received 65",
        ),
        (["train", "--epochs", "\x1b[2J\udcff"], "--epochs"),
        (["train", "--method_option", "temperature=" + "[" * 9000], "a float"),
        (["train", "--method_option", "temperature=1e999"], "Option temp"),
        (["train", "--data_dir", "x" * 9000], "needs no --data_dir"),
        (["predict", "x" * 9000, "y"], "File name too long"),
    ],
)
def test_hostile_values_of_flags_get_one_line_that_can_be_shown(
    call, tmp_path, words, told
):
    code, _, said = call(*words)
    assert code == 2
    (line,) = said.splitlines()
    assert told in line
    assert line.isprintable()
    assert len(line) < 2500
    assert list(tmp_path.iterdir()) == []
