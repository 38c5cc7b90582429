"""No transformation: every branch sees the trunk's output as it is."""

import keras

from keras_css.supervision.transformations.base import Transformation


@keras.saving.register_keras_serializable(package="keras_css")
class NoTransformation(Transformation):
    """Returns the features unchanged, for any number of branches."""

    def call(self, features, branch, num_branches):
        return features
