"""Tries the oldest and the newest versions that the package says it takes.

    python benchmarks/try_versions.py [--which lowest,newest] [--torch 2.13.0]
        [--backends tensorflow,jax,torch] [--with PACKAGE==VERSION ...]
        [--work FOLDER]

Makes an environment with the lower bounds of `pyproject.toml` and one with the
newest releases inside its bounds. In each, on each backend: the package is
imported, a recipe trains for an epoch, its student is exported. Prints a table
and keeps a record; ends with 1 if something did not work. PyTorch's version can
be given, because most are gigabytes; --with replaces or adds a requirement,
such as a Keras that is not released yet. Needs a package index.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import venv

from packaging.requirements import Requirement
from steps.record import keep

ROOT = pathlib.Path(__file__).parents[1]
BACKENDS = ("tensorflow", "jax", "torch")
SHOWN = ("keras", "tensorflow", "jax", "torch", "numpy", "onnx")
MOST_SECONDS = 1800


def requirements(project, which, replaced=()):
    """Returns what pip is asked to install.

    Args:
        project: The table `project` of `pyproject.toml`.
        which: `"lowest"` or `"newest"`.
        replaced: Requirements that take the place of those of the same name.
    """
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["jax"], *extras["torch"]]
    given = [Requirement(line) for line in replaced]
    names = {requirement.name.lower() for requirement in given}
    found = []
    for requirement in map(Requirement, declared):
        marker = requirement.marker
        if marker is not None and not marker.evaluate():
            continue
        if requirement.name.lower() in names:
            continue
        line = f"{requirement.name}{requirement.specifier}"
        found.append(lowest(line) if which == "lowest" else line)
    return [*found, *map(str, given)]


def lowest(line):
    """Returns a requirement of exactly its lower bound."""
    name, bound = re.match(r"([\w.-]+).*?>=([\w.]+)", line).groups()
    return f"{name}=={bound}"


def make_environment(folder, wanted):
    """Makes an environment and installs into it; returns its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", *wanted],
        check=True,
    )
    return python


def versions(python):
    """Returns dict from package to the version that is installed."""
    listed = subprocess.run(
        [str(python), "-m", "pip", "freeze"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = dict(re.findall(r"^([\w.-]+)==(\S+)$", listed, re.MULTILINE))
    return {name.lower(): version for name, version in found.items()}


def attempt(python, backend, folder):
    """Returns dict from what is tried to "ok" and seconds, or the error."""
    run = folder / "run"
    tries = {
        "import": ["-c", "import keras_css"],
        "train": [
            *("scripts/train.py", "--recipe", "digits_demo", "--shrink"),
            *("--epochs", "1", "--backend", backend, "--run_dir", str(run)),
        ],
        "export": ["export/to_onnx.py", "--run_dir", str(run)],
    }
    found = {}
    for name, arguments in tries.items():
        began = time.monotonic()
        done = subprocess.run(
            [str(python), *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "PYTHONPATH": str(ROOT),
                "TF_CPP_MIN_LOG_LEVEL": "2",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST_SECONDS,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or [""]
            found[name] = f"FAILED: {said[-1][:300]}"
            break
        found[name] = f"ok, {time.monotonic() - began:.0f} s"
    return found


def table(rows):
    """Returns the rows as a Markdown table."""
    columns = ["which", "backend", "import", "train", "export"]
    lines = [columns, ["---"] * len(columns)]
    lines += [[row.get(c, "not tried") for c in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--which", default="lowest,newest")
    parser.add_argument("--torch", help="version of PyTorch for both")
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument("--with", dest="replaced", nargs="*", default=[])
    parser.add_argument("--work", help="folder that keeps the environments")
    parser.add_argument("--out", default=ROOT / "benchmarks/results")
    return parser.parse_args()


def main():
    options = parse()
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(pyproject)["project"]
    replaced = list(options.replaced)
    if options.torch:
        replaced.append(f"torch=={options.torch}")
    rows, installed = [], {}
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(options.work or temporary).resolve()
        for which in options.which.split(","):
            wanted = requirements(project, which, replaced)
            python = make_environment(work / which, wanted)
            found = versions(python)
            installed[which] = found
            shown = [f"{name} {found.get(name)}" for name in SHOWN]
            print(f"{which}: {', '.join(shown)}", flush=True)
            for backend in options.backends.split(","):
                runs = pathlib.Path(tempfile.mkdtemp(dir=temporary))
                tried = attempt(python, backend, runs)
                rows.append({"which": which, "backend": backend, **tried})
                print(rows[-1], flush=True)
    print(table(rows))
    path = keep({"rows": rows, "installed": installed}, options.out, "versions")
    print(f"record: {path}")
    return int(any("FAILED" in str(row) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
