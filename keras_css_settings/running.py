"""How a training goes about its work; changes no result, nor is it kept."""

import dataclasses
import math
from typing import Any

from keras_css_runtime.settings import COUNT
from keras_css_runtime.settings import Choice
from keras_css_runtime.settings import Number
from keras_css_settings.setting import Settings
from keras_css_settings.setting import setting


class Endless(Number):
    """A number that may be infinite."""

    def takes(self, value: Any) -> bool:
        return value == math.inf or super().takes(value)


@dataclasses.dataclass(frozen=True)
class Running(Settings):
    """How a training goes about its work."""

    steps_per_call: int | None = setting(
        None,
        COUNT,
        "Steps in one call of the compiled step; changes no result. Default: "
        "up to 32 on a GPU that holds the images, else 1.",
    )
    checkpoint_minutes: float = setting(
        10.0,
        Endless(0),
        "Most time between two checkpoints, of which there are more where "
        "they are cheap, at the ends of epochs.",
    )
    on_nonfinite: str = setting(
        "stop",
        Choice(("stop", "rollback")),
        "What a loss that is NaN or infinite leads to: the end, or a return to "
        "the last checkpoint with half the learning rate, three times at most.",
    )
