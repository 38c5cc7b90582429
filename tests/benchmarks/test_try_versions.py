"""The command that tries versions asks for the bounds that are declared."""

import pathlib
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from try_versions import requirements  # noqa: E402

PROJECT = {
    "dependencies": [
        "keras>=3.12,<3.16",
        "numpy>=2.0",
        "onnxruntime>=1.20; sys_platform == 'nowhere'",
    ],
    "optional-dependencies": {"jax": ["jax>=0.5"], "torch": ["torch>=2.13"]},
}


@pytest.mark.once
def test_lower_bounds_and_newest_releases():
    lowest = requirements(PROJECT, "lowest")
    assert lowest == ["keras==3.12", "numpy==2.0", "jax==0.5", "torch==2.13"]
    newest = requirements(PROJECT, "newest", ["torch==2.13.0"])
    kept = ["keras<3.16,>=3.12", "numpy>=2.0", "jax>=0.5"]
    assert newest == [*kept, "torch==2.13.0"]


@pytest.mark.once
def test_every_requirement_has_a_lower_bound_and_keras_an_upper_one():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    lowest = requirements(project, "lowest")
    assert len(lowest) == len({line.split("==")[0] for line in lowest})
    (keras,) = [
        line
        for line in requirements(project, "newest")
        if line.startswith("keras")
    ]
    # Its private methods, which training overrides, change with a minor one.
    assert "<3." in keras
