"""The current record of a benchmark: machine, versions, command, date."""

import datetime
import json
import pathlib
import platform
import shlex
import sys

from keras_css_runtime.environment import cores
from keras_css_runtime.environment import gpu
from keras_css_runtime.environment import installed_versions
from keras_css_runtime.environment import processor

PACKAGES = (
    *("keras", "jax", "torch", "tensorflow", "tensorflow_cpu"),
    *("numpy", "onnxruntime", "onnxruntime_gpu"),
)


def machine():
    """Returns hardware and versions that figures depend on."""
    return {
        "processor": processor(),
        "cores": cores(),
        "gpu": gpu(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": installed_versions(PACKAGES),
    }


def keep(results, folder, name):
    """Writes results as `NAME.json`, which replaces an earlier one.

    Args:
        results: What was measured, JSON types.
        folder: Where records lie.
        name: What was measured.

    Returns:
        The path.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    record = {
        "date": datetime.date.today().isoformat(),
        "command": shlex.join(["python", *sys.argv]),
        "machine": machine(),
        **results,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    return path
