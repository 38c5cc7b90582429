"""What changes on JAX where `keras.distribution` names several devices."""

import contextlib

import keras

from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.training.replicas import uneven


def parts_of_a_batch():
    """Returns over how many devices Keras cuts each batch."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1
    mesh = distribution.device_mesh
    return mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]


def on_each_device(array):
    """Returns an array that no device lacks a part of."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return array
    whole = keras.distribution.TensorLayout(
        [None] * array.ndim, distribution.device_mesh
    )
    return keras.distribution.distribute_tensor(array, whole)


def refuse_early_variables(variables):
    """Raises `UserError` if variables are older than the distribution."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return
    devices = distribution.device_mesh.devices.size
    for variable in variables:
        if len(variable.value.sharding.device_set) != devices:
            raise UserError(
                "keras.distribution.set_distribution must be called before "
                f"networks are made. Received: {variable.path} on "
                f"{len(variable.value.sharding.device_set)} of {devices} "
                "devices"
            )


def refuse_uneven(sizes):
    """Raises `UserError` unless batches of these sizes can be cut."""
    parts = parts_of_a_batch()
    for size in sizes:
        if size % parts:
            raise uneven(parts, f"{size} images")


@contextlib.contextmanager
def uneven_named():
    """Makes one line of what JAX says of a batch that it cannot cut."""
    try:
        yield
    except ValueError as error:
        parts, said = parts_of_a_batch(), first_line(error)
        if parts > 1 and ("divisible" in said or "partitioned" in said):
            raise uneven(parts, said) from error
        raise
