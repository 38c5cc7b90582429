"""The machine: what is installed, and how backends are set up for it."""

import hashlib
import importlib.metadata
import os
import pathlib
import platform


def installed_versions(packages):
    """Returns dict from those of the packages that are installed to versions.

    Args:
        packages: Names as of a package registry.
    """
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def set_up_tensorflow():
    """Sets what the environment leaves open; before TensorFlow's first step.

    oneDNN's convolutions, which TensorFlow takes by itself on some processors
    only, and operations of different networks and branches side by side
    rather than every single one spread over all cores
    (docs/performance.md). Does nothing to the other backends.
    """
    count = getattr(os, "sched_getaffinity", None)
    cores = len(count(0)) if count else os.cpu_count() or 1
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, cores // 2)))


def set_up_jax():
    """Lets JAX keep compiled programs across runs; before JAX is imported.

    They are made for one processor, so each kind has a folder of its own in
    the user's cache. Does nothing if `JAX_COMPILATION_CACHE_DIR` is set (empty
    for none) or the folder cannot be made.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    try:
        home = (
            os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        )
        folder = pathlib.Path(home, "keras_css", "jax", _processor())
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)


def _processor():
    """Returns a name for what a processor can do."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        told = [
            line
            for line in lines
            if line.startswith(("model name", "flags", "Features", "CPU part"))
        ]
    except OSError:
        told = [platform.node()]
    text = "\n".join([platform.machine(), *sorted(set(told))])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
