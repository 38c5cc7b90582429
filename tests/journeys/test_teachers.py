"""A finished run teaches the next one, from the command line."""

import json
import shutil

import pytest
from quick_run import QUICK
from quick_run import forget_last_checkpoint


@pytest.mark.once
def test_a_run_teaches_and_is_asked_for_on_resume(
    trained, command, refused, tmp_path
):
    place, _ = trained
    (teacher,) = (place / "runs").iterdir()
    moved, run = tmp_path / "teacher", tmp_path / "run"
    shutil.copytree(teacher, moved)
    asked = (*QUICK, "--method", "independent", "--network_b", "none")
    done = command(
        "scripts/train.py",
        *(*asked, "--teacher", f"{moved}@ensemble", "--run_dir", run),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    stored = json.loads((run / "config.json").read_text())
    assert stored["teachers"][0]["student"] == "ensemble"
    assert "network_a/teacher" in (run / "history.csv").read_text()
    first = json.loads((run / "result.json").read_text())

    forget_last_checkpoint(run)
    moved.rename(tmp_path / "elsewhere")
    resume = ("scripts/train.py", "--resume", "--run_dir", run)
    assert "is missing" in refused(*resume, cwd=tmp_path)
    where = f"{tmp_path / 'elsewhere'}@network_a/branch_0"
    line = refused(*resume, "--teacher", where, cwd=tmp_path)
    assert "as it was when the run began" in line
    where = f"{tmp_path / 'elsewhere'}@ensemble"
    done = command(*resume, "--teacher", where, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = json.loads((run / "result.json").read_text())
    assert again["validation"] == first["validation"]
