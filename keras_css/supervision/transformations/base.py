"""What a feature-level transformation is."""

from keras_css.errors import UserError


class Transformation:
    """Changes the trunk's output in a way of its own for every branch.

    It has no weights and no randomness, and is applied in training and in
    inference alike: "transformation i" is half of the joint label. A user's
    own is a subclass with `call`, registered with
    `keras.saving.register_keras_serializable` so that networks can be saved:

    ```python
    @keras.saving.register_keras_serializable(package="mine")
    class Darken(Transformation):
        def call(self, features, branch, num_branches):
            return features * (1.0 - branch / num_branches)
    ```

    Attributes:
        max_branches: The most branches it can tell apart; None for any.
    """

    max_branches = None

    def check(self, num_branches, feature_shape=None):
        """Refuses what it could not serve with n different branches.

        Args:
            num_branches: n.
            feature_shape: `(B, h, w, D)` of the trunk output, entries None
                where unknown; or None before it is known at all.

        Raises:
            UserError: If two branches would see the same features.
        """
        limit = self.max_branches
        if limit is not None and num_branches > limit:
            raise UserError(
                f"{type(self).__name__} tells at most {limit} branches apart, "
                f"received {num_branches}: use {limit} or fewer, or another "
                "transformation."
            )
        if feature_shape is not None:
            self.check_features(num_branches, feature_shape)

    def check_features(self, num_branches, feature_shape):
        """Hook for limits that come from the size of the trunk's output."""

    def call(self, features, branch, num_branches):
        """Returns the features that one branch sees.

        Args:
            features: Tensor `(B, h, w, D)`, the trunk's output.
            branch: i in [0, n).
            num_branches: n.

        Returns:
            Tensor `(B, h', w', D)` of the same dtype.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define call(features, branch, "
            "num_branches)."
        )

    def __call__(self, features, branch, num_branches):
        return self.call(features, branch, num_branches)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
