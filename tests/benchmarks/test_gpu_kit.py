"""The commands for a GPU, as far as a processor can try them."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
KIT = ROOT / "benchmarks" / "gpu"
pytestmark = pytest.mark.once


@pytest.mark.several
def test_a_step_is_taken_apart(tmp_path):
    pytest.importorskip("torch")
    command = [sys.executable, KIT / "trace.py", "--backend", "torch"]
    done = subprocess.run(
        [*command, "--case", "tiny", "--batch_size", "4"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"ms a step; [1-9][\d,]* kernels take", done.stdout)
    assert "convolution" in done.stdout


def test_files_and_flags_of_the_commands_exist():
    text = (KIT / "README.md").read_text("utf-8")
    commands = re.findall(r"python (?:-m pytest -q )?(\S+\.py)([^`]*)", text)
    assert len(commands) == 5
    for file, flags in commands:
        assert (ROOT / file).is_file()
        if "test_" in file:
            continue
        known = subprocess.run(
            [sys.executable, ROOT / file, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for flag in re.findall(r"--(\w+)", flags):
            assert flag.removeprefix("no") in known, (file, flag)
