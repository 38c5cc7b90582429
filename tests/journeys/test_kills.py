"""Trainings that SIGKILL ends and `--resume` goes on with, in short."""

import json
import pathlib
import subprocess
import sys

import pytest

FAULTS = pathlib.Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.mark.once
@pytest.mark.several
def test_killed_trainings_end_like_a_whole_one(tmp_path):
    # It begins soonest, and a kill costs a beginning.
    pytest.importorskip("torch")
    done = subprocess.run(
        [
            *(sys.executable, str(FAULTS), "--kills", "2", "--methods", "pcl"),
            *("--epochs", "2", "--backends", "torch", "--out", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = tmp_path.glob("faults_*.json")
    (row,) = json.loads(record.read_text())["rows"]
    assert row["kills"] == 2
    assert row["repeats_exactly"]
    assert row["trainings"] >= 1
    assert row["differing"] == {}
