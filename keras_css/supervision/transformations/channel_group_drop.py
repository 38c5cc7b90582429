"""Channel-group dropping: each branch does without a group of channels."""

import keras
import numpy as np
from keras import ops

from keras_css.errors import UserError
from keras_css.supervision.transformations.base import Transformation


@keras.saving.register_keras_serializable(package="keras_css")
class ChannelGroupDrop(Transformation):
    """Zeroes the i-th contiguous group of the D channels in branch i.

    The channels are cut into max(4, n) groups of nearly equal size, so that
    up to four branches lose a quarter each, like the four corners, and more
    branches lose 1/n each. Discarding channels is the sister method of CSS
    (arXiv 2106.04921).
    """

    def check_features(self, num_branches, feature_shape):
        channels = feature_shape[-1]
        if channels < max(4, num_branches):
            raise UserError(
                f"ChannelGroupDrop cuts the channels into "
                f"{max(4, num_branches)} groups, received {channels} "
                "channels: use fewer branches or a wider trunk."
            )

    def call(self, features, branch, num_branches):
        channels = features.shape[-1]
        groups = max(4, num_branches)
        group_of_channel = np.arange(channels) * groups // channels
        keep = ops.cast(group_of_channel != branch, features.dtype)
        return features * keep
