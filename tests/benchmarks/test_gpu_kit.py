"""The GPU kit, rehearsed on the processor."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

KIT = pathlib.Path(__file__).parents[2] / "benchmarks" / "gpu"
pytestmark = pytest.mark.once


def kit(*flags, **variables):
    return subprocess.run(
        [sys.executable, KIT / "run.py", *map(str, flags)],
        # See test_scale.py.
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def student(tmp_path):
    """An ONNX file as `to_onnx` writes it: the mean of each channel."""
    from onnx import TensorProto
    from onnx import helper

    said = {
        "class_names": ["red", "green", "blue"],
        "image_shape": [4, 4, 3],
        **{"input": "uint8", "output": "logits", "precision": "fp32"},
        **{"student": "network_a/branch_0", "preprocessing": {}},
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["x"], to=TensorProto.FLOAT),
            helper.make_node(
                "ReduceMean", ["x", "axes"], ["logits"], keepdims=0
            ),
        ],
        "student",
        [
            helper.make_tensor_value_info(
                "image", TensorProto.UINT8, ["batch", 4, 4, 3]
            )
        ],
        [
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["batch", 3]
            )
        ],
        [helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])],
    )
    proto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    for key, value in said.items():
        text = value if isinstance(value, str) else json.dumps(value)
        proto.metadata_props.add(key=key, value=text)
    path = tmp_path / "mine.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.several
def test_a_rehearsal_runs_every_part_and_repeats_none(tmp_path, student):
    if not importlib.util.find_spec("torch"):
        pytest.skip("the kit's backends are JAX and PyTorch")
    out = tmp_path / "out"
    command = ("--out", out, "--dry_run", "--backends", "torch")
    done = kit(*command, "--student", student)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads((out / "summary.json").read_text())["parts"]
    assert {
        f"{part} {name}": item["outcome"]
        for part, items in parts.items()
        for name, item in items.items()
    } == {
        "correctness torch": "done",
        "yardstick tiny": "done",
        "recipe recipe": "done",
        "onnx onnx": "done",
    }
    # The authors measure no diversity of ONE: that one value is skipped.
    assert "4 passed, 1 skipped" in parts["correctness"]["torch"]["line"]
    timed = parts["yardstick"]["tiny"]
    assert timed["ratios"]["best"] == "torch"
    assert timed["ratios"]["plain"] > 0
    record = json.loads((out / timed["record"]).read_text())
    assert {"plain", "torch", "matmul"} == set(record["contenders"])
    trained = parts["recipe"]["recipe"]
    # The first slice was interrupted, the second one resumed.
    assert len(trained["slices"]) == 2
    epochs = [part["epochs"] for part in trained["slices"]]
    assert sum(epochs) == 24
    assert min(epochs) > 0
    assert (out / "recipe" / "result.json").exists()
    assert "cpu: " in parts["onnx"]["onnx"]["line"]
    assert "4 done" in done.stdout

    before = (out / "recipe.log").stat().st_size
    again = kit(*command, "--parts", "recipe,onnx")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 done" in again.stdout
    assert (out / "recipe.log").stat().st_size == before


def test_without_a_gpu_one_line_says_so(tmp_path):
    done = kit("--out", tmp_path, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: The kit needs an NVIDIA GPU")
    assert "--dry_run" in line
    assert not (tmp_path / "summary.json").exists()


def test_nothing_runs_after_wrong_values(tmp_path):
    wrong = {"torch": {"outcome": "failed", "line": "4 failed, 1 passed"}}
    (tmp_path / "correctness.json").write_text(json.dumps(wrong))
    done = kit("--out", tmp_path, "--dry_run", "--parts", "yardstick,recipe")
    assert "2 could not run" in done.stdout, done.stdout + done.stderr
    parts = json.loads((tmp_path / "summary.json").read_text())["parts"]
    for part in ("yardstick", "recipe"):
        item = parts[part][part]
        assert item["outcome"] == "could not run"
        assert item["line"].startswith("correctness failed")
    assert not list(tmp_path.glob("*.log"))


def test_missing_packages_are_named_as_pip_names_them(monkeypatch):
    monkeypatch.syspath_prepend(str(KIT))
    import machine

    needs = {"recipe": ("absl-py", "keras", "no-such-package")}
    monkeypatch.setattr(machine, "NEEDS", needs)
    assert machine.missing_packages("recipe", os.environ) == ["no-such-package"]


def test_flags_that_do_not_fit_are_refused(tmp_path):
    flags = ("--out", tmp_path, "--dry_run")
    for more, said in (
        (("--parts", "recipes"), "--parts must be of correctness,"),
        (("--data", tmp_path / "no.npz"), "no.npz' does not"),
        (("--wheels", tmp_path), "must be a folder of .whl files"),
    ):
        done = kit(*flags, *more)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
