"""What a transformation that tells branches apart is."""

from keras_css.errors import UserError


class Transformation:
    """Changes what a branch sees in a way of the branch's own.

    It acts on the trunk's output, or on the images themselves. It has no
    weights and no randomness, and is applied in training and in inference
    alike: "transformation i" is half of the joint label. A user's own is a
    subclass with `call`, registered with
    `keras.saving.register_keras_serializable` so that networks can be saved:

    ```python
    @keras.saving.register_keras_serializable(package="mine")
    class Darken(Transformation):
        def call(self, features, branch, num_branches):
            return features * (1.0 - branch / num_branches)
    ```

    One with `acts_on = "images"` gets images as the trunk takes them, after
    preprocessing and augmentation, and is asked for branches from 1 on only:
    branch 0 sees the image as it is, whose class a main branch predicts.

    Attributes:
        acts_on: `"features"` or `"images"`.
        max_branches: The most branches it can tell apart; None for any.
    """

    acts_on = "features"
    max_branches = None

    def default_branches(self, image_shape):
        """Returns how many branches a command makes where nothing is said.

        Args:
            image_shape: `(H, W, channels)`.

        Returns:
            A number, or None for the method's own.
        """
        return None

    def check(self, num_branches, shape=None):
        """Refuses what it could not serve with n different branches.

        Args:
            num_branches: n.
            shape: `(B, h, w, D)` of what it acts on, entries None where
                unknown; or None before it is known at all.

        Raises:
            UserError: If two branches would see the same.
        """
        limit, name = self.max_branches, type(self).__name__
        if limit is not None and num_branches > limit:
            raise UserError(
                f"{name} tells at most {limit} branches apart, "
                f"received {num_branches}: use {limit} or fewer, or another "
                "transformation."
            )
        if self.acts_on == "features":
            if shape is not None:
                self.check_features(num_branches, shape)
            return
        if num_branches < 2:
            raise UserError(
                f"{name} acts on images, and the first branch sees them as "
                f"they are: it needs 2 branches or more, received "
                f"{num_branches} (--branches), or take none."
            )
        if shape is not None:
            self.check_images(num_branches, shape)

    def check_features(self, num_branches, feature_shape):
        """Hook for limits that come from the size of the trunk's output."""

    def check_images(self, num_branches, image_shape):
        """Hook for limits that come from the images, `(B, H, W, channels)`."""

    def call(self, features, branch, num_branches):
        """Returns what one branch sees.

        Args:
            features: Tensor `(B, h, w, D)`, the trunk's output or images.
            branch: i in [0, n).
            num_branches: n.

        Returns:
            Tensor `(B, h', w', D)` of the same dtype; of images in their own
            shape, because the views of all branches go through the trunk as
            one batch.
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
