"""A cohort trains once, in one process: more would be wrong without a word."""

from keras_css.errors import UserError


def refuse_processes(count):
    """Raises `UserError` if other processes train beside this one.

    Args:
        count: Processes that were started together, this one included.
    """
    if count > 1:
        raise UserError(
            "A cohort must train in one process: several would not share "
            f"their gradients. Received: {count} processes; start it once, "
            "without torchrun or another launcher."
        )


def refuse_replicas(count):
    """Raises `UserError` if a strategy holds several copies of the weights.

    Args:
        count: Replicas in sync.
    """
    if count > 1:
        raise UserError(
            "A cohort must train under a strategy of one replica: several "
            f"would add up their gradients. Received: {count} replicas; name "
            'one device, for example tf.distribute.MirroredStrategy(["GPU:0"]).'
        )


def uneven(parts, received):
    """Returns the error of a batch that cannot be cut over the devices.

    Args:
        parts: Devices.
        received: What came instead, in words.
    """
    return UserError(
        f"keras.distribution cuts each batch over {parts} devices, so every "
        f"batch must hold a multiple of {parts} images, the last one and those "
        f"of validation, too. Received: {received}; choose another batch_size "
        "or leave some images out."
    )


def batch_sizes(x, batch_size=None):
    """Returns how many images the batches of some data hold.

    Args:
        x: What `fit` takes.
        batch_size: As in `fit`.

    Returns:
        Set of sizes; empty if only the data's iterator knows.
    """
    known = getattr(x, "batch_sizes", None)
    if known is not None:
        return set(known)
    if not hasattr(x, "shape") or not len(x):
        return set()
    size = min(batch_size or 32, len(x))
    return {size, len(x) % size or size}
