"""What may stand in front of a network's trunk."""

import keras
import numpy as np

from keras_css.configs import check_restorable
from keras_css.errors import UserError

ADVICE = (
    "use keras.layers.Rescaling or Normalization, or a layer class of your "
    "own with get_config, decorated with "
    "keras.saving.register_keras_serializable(package=...)."
)
# Pixels a side that stand for images of any size.
ANY_SIZE = 32


def check_preprocessing(layer):
    """Refuses a layer that could be neither saved nor cut out.

    Args:
        layer: The layer, or None.

    Raises:
        UserError: If it is no layer, or Keras cannot save and load it.
    """
    if layer is None:
        return
    if not isinstance(layer, keras.Layer):
        raise UserError(
            "A network's preprocessing must be a Keras layer, received "
            f"{getattr(layer, '__name__', type(layer).__name__)}: {ADVICE}"
        )
    check_restorable("A network's preprocessing", layer, ADVICE)


def preprocessed_shape(layer, shape):
    """Builds the layer and returns the shape of what it puts out.

    Args:
        layer: The layer.
        shape: `(B, H, W, channels)` of the images, entries None if unknown.

    Raises:
        UserError: If it does not put out images, or not the same ones each
            time.
    """
    if not layer.built:
        layer.build(shape)
    try:
        found = tuple(layer.compute_output_shape(shape))
    except NotImplementedError as error:
        raise UserError(
            "A network's preprocessing must tell the shape of what it puts "
            f"out, received {layer.name} that cannot: give its class "
            "compute_output_shape(input_shape)."
        ) from error
    if len(found) != 4:
        raise UserError(
            "A network's preprocessing must put out images (batch, height, "
            f"width, channels), received {layer.name} that makes {found} of "
            f"{tuple(shape)}: what is no image belongs into a backbone."
        )
    if _has_random_state(layer):
        _check_same_each_time(layer, shape)
    return found


def _has_random_state(layer):
    weights = {id(weight) for weight in layer.weights}
    return any(id(variable) not in weights for variable in layer.variables)


def _check_same_each_time(layer, shape):
    size = [side or ANY_SIZE for side in shape[1:]]
    images = np.random.default_rng(0).uniform(0, 255, (2, *size))
    images = images.astype("float32")
    first, second = (
        keras.ops.convert_to_numpy(layer(images, training=False))
        if layer._call_has_training_arg
        else keras.ops.convert_to_numpy(layer(images))
        for _ in range(2)
    )
    if not np.array_equal(first, second, equal_nan=True):
        raise UserError(
            "A network's preprocessing must make the same of an image each "
            f"time, received {layer.name}, which is random in inference, too: "
            "give random changes to OnlineDistiller(augmentation=...)."
        )
