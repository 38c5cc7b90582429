"""A turned quadrant: each branch sees the image with a part of it turned."""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.supervision.transformations.base import Transformation
from keras_css.supervision.transformations.rotation import turned

QUADRANTS = 4
# Upside down first, which quadrants need not be square for.
QUARTERS = (2, 1, 3)


@keras.saving.register_keras_serializable(package="keras_css")
class TurnedQuadrant(Transformation):
    """Turns one quadrant of the image, after LoRot (Moon et al. 2022).

    Branch 0 sees the image as it is; 1 to 4 the top-left, bottom-right,
    bottom-left or top-right quadrant upside down, 5 to 8 turned by 90 degrees
    counter-clockwise, 9 to 12 by 270. Most of the image stays as it was, so
    that it is still of its class. Two branches, which is what commands make,
    are the cheapest choice of all transformations of images.
    """

    acts_on = "images"
    max_branches = 1 + QUADRANTS * len(QUARTERS)

    def default_branches(self, image_shape):
        return 2

    def check_images(self, num_branches, image_shape):
        height, width = image_shape[1:3]
        if None in (height, width):
            return
        if min(height, width) < 4:
            raise UserError(
                "TurnedQuadrant needs images of at least 4x4, received "
                f"{height}x{width}: use larger images."
            )
        if num_branches > 1 + QUADRANTS and height // 2 != width // 2:
            raise UserError(
                "Quadrants turned by 90 degrees must be square, received "
                f"images of {height}x{width}: use square images "
                f"(--image_size), or {1 + QUADRANTS} branches or fewer."
            )

    def call(self, images, branch, num_branches):
        if branch == 0:
            return images
        turn, quadrant = divmod(branch - 1, QUADRANTS)
        height, width = ops.shape(images)[1:3]
        top, left = height // 2, width // 2
        # The middle row and column of odd sizes belong to no quadrant.
        at_bottom, at_right = quadrant in (1, 2), quadrant in (1, 3)
        first_row = height - top if at_bottom else 0
        first_column = width - left if at_right else 0
        last_row, last_column = first_row + top, first_column + left
        rows = images[:, first_row:last_row]
        middle = ops.concatenate(
            [
                rows[:, :, :first_column],
                turned(rows[:, :, first_column:last_column], QUARTERS[turn]),
                rows[:, :, last_column:],
            ],
            axis=2,
        )
        return ops.concatenate(
            [images[:, :first_row], middle, images[:, last_row:]], axis=1
        )
