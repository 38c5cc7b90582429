"""The machine: what it is and has, how backends are set up for it."""

import ctypes
import os
import pathlib
import platform
import subprocess
from collections.abc import Iterable

# How the system hands out huge pages.
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"

# glibc's options of mallopt: M_MMAP_THRESHOLD (at most this) and
# M_TRIM_THRESHOLD, in bytes.
MALLOC = {-3: 32 << 20, -1: 2**31 - 1}


def cores() -> int:
    """Returns how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def processor() -> str:
    """Returns the processor's name, `"unknown"` where the system hides it."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or "unknown"
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def describe_machine() -> dict[str, str | int | None]:
    """Returns processor, cores, GPU and system as a dict for JSON."""
    return {
        "processor": processor(),
        "cores": cores(),
        "gpu": gpu(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def gpu() -> str | None:
    """Returns the names of the NVIDIA GPUs, a line each; None without any."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Returns dict from those of the packages that are installed to versions.

    Args:
        packages: Names as of a package registry.
    """
    # Help, which needs no versions, need not wait for it.
    import importlib.metadata

    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def set_up_tensorflow() -> None:
    """Sets what the environment leaves open; before TensorFlow's first step.

    oneDNN's convolutions, which TensorFlow takes by itself on some processors
    only, and operations of different networks and branches side by side
    rather than every single one spread over all cores
    (docs/performance.md). Does nothing to the other backends.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, cores() // 2)))


def share_of_machine(jobs: int) -> dict[str, str]:
    """Returns the environment of one of several processes that train at once.

    Args:
        jobs: How many processes share the cores and the memory of a GPU.

    Returns:
        Dict of environment variables; empty for a single process.
    """
    if jobs == 1:
        return {}
    threads = max(1, cores() // jobs)
    return {
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(min(2, threads)),
        "TF_NUM_INTRAOP_THREADS": str(max(1, threads // 2)),
        # XLA's pool of threads on processors, and loky's of processes.
        "NPROC": str(threads),
        "LOKY_MAX_CPU_COUNT": str(threads),
        # Either would take most of a GPU's memory at its start.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / jobs:.2f}",
    }


def set_up_jax() -> None:
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
        folder = pathlib.Path(home, "keras_css", "jax", _kind_of_processor())
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)


def huge_pages() -> dict[str, str] | None:
    """Returns the environment in which malloc takes huge pages, or None.

    Each step of JAX on a processor takes hundreds of megabytes and gives them
    back; in pages of 4 kB, finding them costs as much as computing in them
    (docs/performance.md). glibc reads the variable when a process begins.

    Returns:
        Dict of the whole environment; None where it is so already, or cannot
        be.
    """
    name, option = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
    told = os.environ.get(name, "")
    if option in told or platform.libc_ver()[0] != "glibc":
        return None
    try:
        if "[madvise]" not in pathlib.Path(HUGE_PAGES).read_text("ascii"):
            return None
    except OSError:
        return None
    return {**os.environ, name: ":".join(filter(None, [told, f"{option}=1"]))}


def keep_memory() -> None:
    """Lets malloc keep what is freed, where that is glibc's.

    PyTorch asks for the same tensors in each step. What goes back to the
    system meanwhile comes again as pages of 4 kB that have to be cleared.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for option, value in MALLOC.items():
        mallopt(option, value)


def _kind_of_processor() -> str:
    """Returns a name for what a processor can do."""
    # Help need not wait for it, either.
    import hashlib

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
