"""Views of images as a user types it: trained and shipped."""

import json
import pathlib

import pytest

TRAIN = (
    *("train", "--dataset", "digits", "--network_a", "resnet8"),
    *("--transformation", "turned_quadrant", "--epochs", "1"),
    *("--batch_size", "128", "--mixup", "0.2", "--augment_each_network"),
)


@pytest.mark.once
def test_the_main_branch_of_views_ships_alone(call):
    run = pathlib.Path("run")
    code, out, err = call(*TRAIN, "--run_dir", run)
    assert code == 0, err
    assert "2 branches each" in out
    result = json.loads((run / "result.json").read_text())
    # resnet8 with 10 classes, BatchNorm's statistics included.
    sizes = result["student_parameters"]
    assert sizes["network_a/main"] == sizes["network_a/branch_1"] == 78426
    assert result["parameters"]["network_a"] == 78426 + 65 * 20

    student = ("--student", "network_a/main")
    code, _, err = call("to_onnx", "--run_dir", run, *student)
    assert code == 0, err
    report = json.loads((run / "student.json").read_text())
    assert report["student"] == "network_a/main"
    assert report["accuracy"]["test"] == pytest.approx(
        result["test"]["network_a/main"]
    )
