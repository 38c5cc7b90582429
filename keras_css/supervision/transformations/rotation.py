"""Rotation of the image: each branch sees it turned by quarters."""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.supervision.transformations.base import Transformation


@keras.saving.register_keras_serializable(package="keras_css")
class Rotation(Transformation):
    """Turns the image counter-clockwise by 90 degrees times i.

    Two branches see it upright and upside down, which images need not be
    square for. Who tells rotations apart has to know how things stand (SLA,
    arXiv 1910.05872): right for photographs with an upright, wrong for
    digits, cells and views from above.
    """

    acts_on = "images"
    max_branches = 4

    def default_branches(self, image_shape):
        return 4 if image_shape[0] == image_shape[1] else 2

    def check_images(self, num_branches, image_shape):
        height, width = image_shape[1:3]
        if num_branches > 2 and None not in (height, width) and height != width:
            raise UserError(
                "Images turned by 90 degrees must be square, received "
                f"{height}x{width} and {num_branches} branches: use square "
                "images (--image_size), or 2 branches (--branches 2), the "
                "second upside down."
            )

    def call(self, images, branch, num_branches):
        return turned(images, 2 * branch if num_branches == 2 else branch)


def turned(images, quarters):
    """Returns images `(B, H, W, c)` turned counter-clockwise by quarters."""
    quarters = quarters % 4
    if quarters == 0:
        return images
    if quarters == 2:
        return ops.flip(images, axis=(1, 2))
    swapped = ops.transpose(images, (0, 2, 1, 3))
    return ops.flip(swapped, axis=1 if quarters == 1 else 2)
