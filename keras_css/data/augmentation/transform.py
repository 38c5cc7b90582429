"""The contract of one random change."""

import dataclasses
from typing import Any
from typing import ClassVar

from keras_css_runtime.settings import check_settings


@dataclasses.dataclass(frozen=True)
class Transform:
    """One random change of a batch of images.

    A subclass is a frozen dataclass of its settings, registered with
    `keras.saving.register_keras_serializable(package="keras_css")`.
    """

    # How many uniform numbers one image needs: a number or a property.
    num_draws: ClassVar[Any]
    # Dict from the name of a setting to its `keras_css_runtime.settings.Rule`.
    rules = {}

    def __post_init__(self):
        check_settings(self.rules, vars(self), of=f" of {type(self).__name__}")

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
