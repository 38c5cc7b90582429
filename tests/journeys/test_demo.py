"""The demo, shortened to one epoch."""

import json
import pathlib

import pytest


@pytest.mark.once
def test_the_demo_reports_css_and_independent_side_by_side(command, tmp_path):
    done = command("scripts/demo.py", "--epochs", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = done.stdout[done.stdout.index("side by side") :]
    for method in ("css", "independent"):
        path = tmp_path / "runs" / f"digits-{method}-1" / "result.json"
        result = json.loads(path.read_text())
        assert result["method"] == method
        assert method in table
        for student in ("network_a/branch_0", "ensemble"):
            assert f"{result['test'][student]:.4f}" in table
    shipped = tmp_path / "runs" / "digits-css-1"
    report = json.loads((shipped / "student.json").read_text())
    assert report["proof"]["largest_difference"] <= 1e-4
    assert (shipped / "student.onnx").stat().st_size == report["bytes"]
    assert (shipped / "student.benchmark.json").exists()
    assert f"file: {pathlib.Path('runs/digits-css-1/student.onnx')}" in table
    assert table.count(" is taken for a ") == 10
