"""Colour permutation: each branch sees the colours in an order of its own."""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.supervision.transformations.base import Transformation

# The cyclic ones first: three branches see each colour in each place.
ORDERS = (
    *((0, 1, 2), (1, 2, 0), (2, 0, 1)),
    *((0, 2, 1), (1, 0, 2), (2, 1, 0)),
)


@keras.saving.register_keras_serializable(package="keras_css")
class ColorPermutation(Transformation):
    """Puts the three colours of the image in the i-th order.

    Branch 0 sees red, green, blue; up to three branches the cyclic orders, up
    to six all of them (SLA, arXiv 1910.05872). It suits sets whose classes
    differ in colour, and pictures without an upright.
    """

    acts_on = "images"
    max_branches = len(ORDERS)

    def default_branches(self, image_shape):
        return 3

    def check_images(self, num_branches, image_shape):
        if image_shape[-1] != 3:
            raise UserError(
                "ColorPermutation needs images of three colours, received "
                f"{image_shape[-1]} channels: use another transformation, "
                "such as rotation."
            )

    def call(self, images, branch, num_branches):
        colors = [images[..., c : c + 1] for c in ORDERS[branch]]
        return ops.concatenate(colors, axis=-1)
