"""A finished run teaches the next one, from the command line."""

import csv
import json
import shutil

import pytest
from quick_run import QUICK
from quick_run import forget_last_checkpoint


@pytest.mark.once
def test_a_run_teaches_and_is_asked_for_on_resume(trained, call, tmp_path):
    place, _ = trained
    (teacher,) = (place / "runs").glob("digits-css-*")
    moved, run = tmp_path / "teacher", tmp_path / "run"
    shutil.copytree(teacher, moved)
    asked = (*QUICK, "--branches", "1", "--method", "kd", "--network_b", "none")
    code, _, error = call("train", *asked, "--run_dir", run)
    assert code == 2
    assert "KD learns from a trained teacher" in error
    assert not run.exists()
    code, _, error = call(
        *("train", *asked, "--teacher", f"{moved}@ensemble"),
        *("--teacher_views", "2", "--run_dir", run),
    )
    assert code == 0, error
    stored = json.loads((run / "config.json").read_text())
    assert stored["teachers"][0]["student"] == "ensemble"
    assert "network_a/kd" in (run / "history.csv").read_text()
    first = json.loads((run / "result.json").read_text())

    outputs = run / "teacher_outputs.f16"
    written = outputs.stat().st_mtime_ns
    forget_last_checkpoint(run)
    moved.rename(tmp_path / "elsewhere")
    resume = ("train", "--resume", "--run_dir", run)
    code, _, error = call(*resume)
    assert code == 2
    assert "is missing" in error
    where = f"{tmp_path / 'elsewhere'}@network_a/branch_0"
    code, _, error = call(*resume, "--teacher", where)
    assert code == 2
    assert "as it was when the run began" in error
    where = f"{tmp_path / 'elsewhere'}@ensemble"
    code, _, error = call(*resume, "--teacher", where)
    assert code == 0, error
    assert outputs.stat().st_mtime_ns == written, "computed again"
    again = json.loads((run / "result.json").read_text())
    assert again["validation"]["network_a"] == pytest.approx(
        first["validation"]["network_a"], abs=0.1
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("method", "term"),
    [("sskd", "teacher_module"), ("channel_distillation", "channels")],
)
def test_a_run_teaches_by_its_layers(method, term, trained, call, tmp_path):
    place, _ = trained
    (teacher,) = (place / "runs").glob("digits-css-*")
    run = tmp_path / "run"
    asked = (*QUICK, "--epochs", "1", "--branches", "1", "--method", method)
    asked = (*asked, "--network_b", "none", "--run_dir", run)
    if method == "channel_distillation":
        code, _, error = call(
            "train", *asked, "--teacher", f"{teacher}@ensemble"
        )
        assert code == 2
        assert "one branch of a run's network" in error
        assert not run.exists()
    code, _, error = call(
        "train", *asked, "--teacher", f"{teacher}@network_a/main"
    )
    assert code == 0, error
    with open(run / "history.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row[f"network_a/{term}"]) > 0
