"""Results that are kept: machine, versions, command, date; never replaced."""

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
    """Writes results as `NAME_DATE[-N].json`; returns the path.

    Args:
        results: What was measured, JSON types.
        folder: Where records lie, or None to keep nothing.
        name: What was measured.
    """
    if folder is None:
        return None
    date = datetime.date.today().isoformat()
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "date": date,
        "command": shlex.join(["python", *sys.argv]),
        "machine": machine(),
        **results,
    }
    text = json.dumps(record, indent=1) + "\n"
    count = 1
    while True:
        suffix = "" if count == 1 else f"-{count}"
        path = folder / f"{name}_{date}{suffix}.json"
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
            return path
        except FileExistsError:
            count += 1
