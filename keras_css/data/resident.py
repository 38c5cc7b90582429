"""All images of a set on the device, so that a batch is a list of indices."""

import keras
from keras import ops

# The field of a batch that is the same in all of them.
SHARED_FIELD = "resident"


class ResidentImages:
    """Images that were moved to the device once.

    Args:
        images: uint8 array `(N, H, W, c)`.
    """

    def __init__(self, images):
        self.array = ops.convert_to_tensor(images, dtype="uint8")

    def fields(self):
        """Returns what a step must be given besides a batch.

        A compiled step of TensorFlow or PyTorch refers to the array where it
        lies. JAX would copy it into the program, so there it is an argument
        of the step, which `training/train_step` adds to the batch.
        """
        on_jax = keras.backend.backend() == "jax"
        return {SHARED_FIELD: self.array} if on_jax else {}

    def take(self, x):
        """Returns the images of a batch.

        Args:
            x: Dict of a batch, with `"rows"`, int32 `(B,)`.
        """
        return ops.take(x.get(SHARED_FIELD, self.array), x["rows"], axis=0)
