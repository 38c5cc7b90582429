"""Tries the oldest or the newest versions that the package says it takes.

    python benchmarks/try_versions.py lowest|newest [--with NAME==VERSION ...]

Makes an environment with the lower bounds of `pyproject.toml`, or with the
newest releases inside its bounds. There, on each backend, a recipe trains for
an epoch and its student is exported. Ends with 1 if something failed. --with
replaces or adds a requirement, such as a Keras that is not released yet or one
PyTorch for both, because most are gigabytes. Needs a package index.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
import venv

from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).parents[1]
BACKENDS = ("tensorflow", "jax", "torch")
TRIES = (
    "scripts/train.py --recipe digits_demo --shrink --epochs 1 --run_dir {run}",
    "export/to_onnx.py --run_dir {run}",
)


def requirements(project, which, replaced=()):
    """Returns what pip is asked to install.

    Args:
        project: The table `project` of `pyproject.toml`.
        which: `"lowest"` or `"newest"`.
        replaced: Requirements that take the place of those of the same name.
    """
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["jax"], *extras["torch"]]
    names = {Requirement(line).name.lower() for line in replaced}
    found = []
    for requirement in map(Requirement, declared):
        marker = requirement.marker
        if marker is not None and not marker.evaluate():
            continue
        if requirement.name.lower() in names:
            continue
        line = f"{requirement.name}{requirement.specifier}"
        if which == "lowest":
            name, bound = re.match(r"([\w.-]+).*?>=([\w.]+)", line).groups()
            line = f"{name}=={bound}"
        found.append(line)
    return [*found, *replaced]


def attempt(python, backend, run):
    """Returns "ok", or the last line of what failed."""
    for command in TRIES:
        done = subprocess.run(
            [str(python), *command.format(run=run).split()],
            cwd=ROOT,
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or [""]
            return f"FAILED: {command.split()[0]}: {said[-1][:300]}"
    return "ok"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("which", choices=["lowest", "newest"])
    parser.add_argument("--with", dest="replaced", nargs="*", default=[])
    options = parser.parse_args()
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    wanted = requirements(project, options.which, options.replaced)
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        python = place / "bin" / "python"
        venv.create(place, with_pip=True)
        pip = [str(python), "-m", "pip"]
        subprocess.run([*pip, "install", "--quiet", *wanted], check=True)
        subprocess.run([*pip, "list"], check=True)
        found = {b: attempt(python, b, place / f"run-{b}") for b in BACKENDS}
    print("\n".join(f"{backend}: {said}" for backend, said in found.items()))
    return int(any(said != "ok" for said in found.values()))


if __name__ == "__main__":
    sys.exit(main())
