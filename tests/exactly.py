"""The environment in which a training repeats bit for bit on any backend."""

# One thread, so that sums keep their order, and TensorFlow's operations in
# their deterministic form.
EXACTLY = {
    **dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1"),
    **dict.fromkeys(("TF_NUM_INTEROP_THREADS", "TF_DETERMINISTIC_OPS"), "1"),
}
