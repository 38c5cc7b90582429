"""How TensorFlow is set up for cohorts on a processor."""

import os


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
