"""The contract of one random change."""

import dataclasses

from keras_css.errors import UserError
from keras_css_runtime.shapes import fits


@dataclasses.dataclass(frozen=True)
class Transform:
    """One random change of a batch of images.

    A subclass is a frozen dataclass of its settings, registered with
    `keras.saving.register_keras_serializable(package="keras_css")`.
    """

    # Dict from the name of a setting to its lowest and highest value.
    ranges = {}

    def __post_init__(self):
        for name, (low, high) in self.ranges.items():
            value = getattr(self, name)
            if not fits(value, float) or not low <= value <= high:
                raise UserError(
                    f"{name} of {type(self).__name__} must be a number from "
                    f"{low} to {high}, received {value!r}."
                )

    @property
    def num_draws(self):
        """How many uniform numbers one image needs."""
        raise NotImplementedError

    def __call__(self, images, draws):
        """Returns the changed images.

        Args:
            images: float32 `(B, H, W, c)`, values from 0 to 255.
            draws: float32 `(B, num_draws)` in [0, 1).

        Returns:
            float32 `(B, H', W', c)`, values from 0 to 255.
        """
        raise NotImplementedError

    def get_config(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)
