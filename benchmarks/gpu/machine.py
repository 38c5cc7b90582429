"""What this machine has: backends that see the GPU, modules, wheels."""

import os
import pathlib
import subprocess
import sys

from part import ROOT

from keras_css_runtime.errors import UserError

# Each prints which kind of device it computes on.
DEVICE = {
    "jax": "import jax; print(jax.default_backend())",
    "torch": (
        "import torch; print('gpu' if torch.cuda.is_available() else 'cpu')"
    ),
}
# Packages, by the name that pip knows.
KERAS = (
    *("keras", "absl-py", "h5py", "markdown-it-py", "mdurl", "ml-dtypes"),
    *("namex", "optree", "packaging", "pygments", "rich"),
)
NEEDS = {
    "correctness": (*KERAS, "pytest", "pluggy", "iniconfig"),
    "yardstick": KERAS,
    "recipe": (
        *(*KERAS, "pillow", "scipy"),
        *("scikit-learn", "joblib", "narwhals", "threadpoolctl"),
    ),
    "onnx": (*KERAS, "cloudpickle", "loky", "onnx", "onnxruntime"),
}
MODULES = {
    "absl-py": "absl",
    "markdown-it-py": "markdown_it",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
}
FIND = (
    "import importlib.util, sys\n"
    "print(*[m for m in sys.argv[1:] if not importlib.util.find_spec(m)])"
)


def environment(out, wheels):
    """Returns the environment of all parts; installs wheels on the way.

    Args:
        out: Folder of all results.
        wheels: Folder of wheels, or None.

    Raises:
        UserError: If the wheels cannot be installed.
    """
    site = out / "site"
    if wheels and not site.exists():
        install(wheels, site)
    known = os.environ.get("PYTHONPATH")
    paths = [str(site), str(ROOT), *([known] if known else [])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        # What one call compiled, the next one need not.
        "JAX_COMPILATION_CACHE_DIR": str(out / "cache" / "jax"),
        "TORCHINDUCTOR_CACHE_DIR": str(out / "cache" / "torch"),
    }


def install(wheels, site):
    """Installs all wheels of a folder, and nothing else, into another one."""
    files = sorted(map(str, pathlib.Path(wheels).glob("*.whl")))
    if not files:
        raise UserError(
            f"--wheels must be a folder of .whl files, but '{wheels}' has "
            "none: see benchmarks/gpu/README.md."
        )
    part = site.with_name("site.part")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index"),
            *("--no-deps", "--no-compile", "--upgrade"),
            *("--target", str(part), *files),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(
            "--wheels must hold wheels for this Python, "
            f"{sys.version_info.major}.{sys.version_info.minor}, one version "
            f"of each, but pip says: {last}"
        )
    part.rename(site)


def look_at_backends(names, environment, dry_run):
    """Returns dict from backend to why it cannot run here, `""` if it can."""
    found = {}
    for name in names:
        device, error = ask(DEVICE[name], environment)
        if device is None:
            found[name] = f"{name} cannot be imported: {error}"
        elif dry_run or device == "gpu":
            found[name] = ""
        else:
            found[name] = f"{name} sees no GPU, only: {device}"
    return found


def missing_packages(part, environment):
    """Returns the packages that a part needs and that are not installed."""
    modules = {MODULES.get(n, n.replace("-", "_")): n for n in NEEDS[part]}
    missing, _ = ask(FIND, environment, *modules)
    return [modules[module] for module in (missing or "").split()]


def ask(code, environment, *arguments):
    """Runs a few lines of Python.

    Returns:
        `(last line printed, None)`, or `(None, last line of the error)`.
    """
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return None, (done.stderr.strip().splitlines() or ["no reason"])[-1]
    return (done.stdout.strip().splitlines() or [""])[-1], None
