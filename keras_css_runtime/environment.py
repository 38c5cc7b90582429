"""The machine: what is installed, and how TensorFlow is set up for it."""

import importlib.metadata
import os


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
