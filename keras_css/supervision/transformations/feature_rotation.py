"""Feature rotation: each branch sees the feature map turned by 90 degrees."""

import keras
from keras import ops

from keras_css.supervision.transformations.base import Transformation


@keras.saving.register_keras_serializable(package="keras_css")
class FeatureRotation(Transformation):
    """Turns the feature map counter-clockwise by 90 degrees times i.

    Branch 0 sees the map as it is. There are four rotations, so a fifth
    branch is refused.
    """

    max_branches = 4

    def call(self, features, branch, num_branches):
        return ops.rot90(features, k=branch, axes=(1, 2))
