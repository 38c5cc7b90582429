"""Rotation and colour permutation at once: every pair is a branch."""

import keras

from keras_css.errors import UserError
from keras_css.supervision.transformations.base import Transformation
from keras_css.supervision.transformations.color_permutation import (
    ColorPermutation,
)
from keras_css.supervision.transformations.rotation import Rotation

# Rotations and orders of colours for each number of branches.
PAIRS = {4: (2, 2), 6: (2, 3), 12: (4, 3), 24: (4, 6)}


@keras.saving.register_keras_serializable(package="keras_css")
class RotationColor(Transformation):
    """Turns the image and permutes its colours (SLA, arXiv 1910.05872).

    With 12 branches, four rotations times three orders of the colours, branch
    i is turned by i % 4 quarters and has the (i // 4)-th order; 24 have all
    six orders, 6 and 4 two rotations, upright and upside down.
    """

    acts_on = "images"

    def __init__(self):
        self.rotation, self.colors = Rotation(), ColorPermutation()

    def default_branches(self, image_shape):
        return 12 if image_shape[0] == image_shape[1] else 6

    def check(self, num_branches, shape=None):
        if num_branches not in PAIRS:
            known = ", ".join(map(str, PAIRS))
            raise UserError(
                f"RotationColor makes {known} branches, received "
                f"{num_branches} (--branches)."
            )
        super().check(num_branches, shape)

    def check_images(self, num_branches, image_shape):
        turns, orders = PAIRS[num_branches]
        self.rotation.check_images(turns, image_shape)
        self.colors.check_images(orders, image_shape)

    def call(self, images, branch, num_branches):
        turns, orders = PAIRS[num_branches]
        turned = self.rotation(images, branch % turns, turns)
        return self.colors(turned, branch // turns, orders)
