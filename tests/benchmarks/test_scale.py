"""How time and memory grow, in the shortest form."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.once


@pytest.fixture
def scale(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import scale

    return scale


@pytest.mark.several
def test_an_axis_is_measured_kept_and_drawn(tmp_path):
    if not importlib.util.find_spec("torch"):
        pytest.skip("the quickest backend to begin with is not installed")
    for command in (
        [
            *("scale.py", "--axis", "dataset_size", "--values", "16,64"),
            *("--case", "tiny", "--backends", "torch", "--rounds", "2"),
            *("--seconds", "0.01", "--keep", tmp_path),
        ],
        ["plot.py", "RECORD", "--out", tmp_path / "scale.png"],
    ):
        records = list(tmp_path.glob("scale_dataset_size.json"))
        command = [records[0] if c == "RECORD" else c for c in command]
        done = subprocess.run(
            [sys.executable, FOLDER / command[0], *command[1:]],
            # Threads that wait for each other at every small operation are
            # slow beside other work.
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(records[0].read_text())["axes"]["dataset_size"]
    small, large = found["backends"]["torch"]["points"]
    assert (small["value"], large["value"]) == (16, 64)
    # Batches of four images.
    for point, steps in ((small, 4), (large, 16)):
        assert point["seconds_step"] > 0
        ratio = point["seconds_epoch"] / point["seconds_step"]
        assert ratio == pytest.approx(steps)
    assert len(large["rounds"]) == 2
    assert 0 < large["start_megabytes"] <= large["peak_megabytes"]
    assert "seconds_epoch" in found["backends"]["torch"]["exponents"]
    assert (tmp_path / "scale.png").stat().st_size > 5000


def test_the_exponent_tells_linear_from_worse(scale):
    def points(power):
        return [{"size": n, "time": 0.3 * n**power} for n in (1, 2, 4, 9)]

    assert scale.exponent(points(1), "time") == 1
    assert scale.exponent(points(1.5), "time") == 1.5
    assert scale.exponent(points(1)[:1], "time") is None
    verdicts = {}
    for power in (1, 1.5):
        point = {
            **{"value": 1, "images_per_second": 1.0, "seconds_step": 1.0},
            **{"start_megabytes": 1, "peak_megabytes": 1},
        }
        curve = {
            "points": [point],
            "exponents": {"seconds_step": power, "peak_megabytes": 0.1},
        }
        axis = {"case": "tiny", "unit": "pixels", "time": "step"}
        shown = scale.lines("image_size", {**axis, "backends": {"jax": curve}})
        verdicts[power] = shown[-1]
    assert "(pixels)^1, linear or better" in verdicts[1]
    assert "(pixels)^1.5, WORSE" in verdicts[1.5]


def test_every_axis_makes_the_case_it_names(scale):
    tiny = scale.CASES["tiny"]
    grown = {name: axis.grow(tiny, 16) for name, axis in scale.AXES.items()}
    assert grown["batch_size"].batch_size == 16
    assert grown["branches"].branches == 16
    assert len(grown["networks"].networks) == 16
    assert grown["image_size"].image_size == 16
    data = grown["dataset_size"]
    assert data.batches * data.batch_size == 16
    assert scale.AXES["image_size"].size(16) == 256


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--axis", "all", "--values", "1,2"], "for one axis"),
        (["--axis", "branches", "--values", "1,x"], "whole numbers"),
        (["--axis", "branches", "--backends", "jaks"], "jax,torch,tensorflow"),
    ],
)
def test_flags_that_do_not_fit_are_refused(scale, capsys, flags, said):
    with pytest.raises(SystemExit) as ended:
        scale.main(flags)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
