"""Corner erasing: the transformation of the released CSS code."""

import keras
import numpy as np
from keras import ops

from keras_css.errors import UserError
from keras_css.supervision.transformations.base import Transformation


@keras.saving.register_keras_serializable(package="keras_css")
class CornerErase(Transformation):
    """Zeroes one corner of h/4 x w/4 (integer division) in all channels.

    Branch 0 loses the top-left corner, 1 the bottom-right, 2 the bottom-left,
    3 the top-right (CSS, arXiv 2203.11660; the released code's branch 3
    zeroes a single column, a slip). There are four corners, so a fifth branch
    is refused: a repeated corner would be two names for one supervision.
    """

    max_branches = 4

    def check_features(self, num_branches, feature_shape):
        height, width = feature_shape[1:3]
        if min(height or 4, width or 4) < 4:
            raise UserError(
                "CornerErase needs a trunk output of at least 4x4 to have a "
                f"corner to erase, received {height}x{width}: use larger "
                "images, an earlier split, or another transformation."
            )

    def call(self, features, branch, num_branches):
        shape = ops.shape(features)
        height, width = shape[1], shape[2]
        at_bottom = branch in (1, 2)
        at_right = branch in (1, 3)
        if isinstance(height, int) and isinstance(width, int):
            arange = np.arange
        else:
            arange = ops.arange
        rows = _edge(arange(height), height, at_bottom)
        columns = _edge(arange(width), width, at_right)
        corner = rows[:, None] & columns[None, :]
        keep = ops.cast(~corner, features.dtype)
        return features * keep[None, :, :, None]


def _edge(index, size, far):
    """Returns which indices lie in the first or the last quarter."""
    return index >= size - size // 4 if far else index < size // 4
