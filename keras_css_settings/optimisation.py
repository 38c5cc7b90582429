"""How long networks train, and how fast they learn."""

import dataclasses

from keras_css_runtime.errors import UserError
from keras_css_runtime.settings import ANY_COUNT
from keras_css_runtime.settings import COUNT
from keras_css_runtime.settings import FRACTION
from keras_css_runtime.settings import NOT_NEGATIVE
from keras_css_runtime.settings import Choice
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import Number
from keras_css_settings.setting import Epochs
from keras_css_settings.setting import Settings
from keras_css_settings.setting import setting


@dataclasses.dataclass(frozen=True)
class Optimisation(Settings):
    """Length, optimizer and learning rate."""

    epochs: int | None = setting(None, COUNT, "Epochs of the whole run.")
    steps: int | None = setting(
        None,
        COUNT,
        "Steps of the whole run instead of --epochs, rounded up to whole "
        "epochs: small sets need as many steps as large ones.",
    )
    batch_size: int | None = setting(None, COUNT, "Images a step.")
    optimizer: str = setting(
        "sgd",
        Choice(("sgd", "adamw")),
        "The rates of adamw are 10 to 100 times lower.",
    )
    learning_rate: float | None = setting(
        None,
        Number(0, 10**6, above=True, below=True),
        "Full learning rate.",
    )
    pretrained_rate: float = setting(
        1.0,
        Number(0, 1),
        "Learning rate of trunks and tails that begin with given weights, "
        "relative to the rate of the others.",
    )
    momentum: float = setting(0.9, FRACTION, "Momentum of SGD.")
    nesterov: bool = setting(False, Flag(), "Whether SGD looks ahead.")
    weight_decay: float = setting(
        5e-4, NOT_NEGATIVE, "Weight decay: coupled in SGD, decoupled in AdamW."
    )
    schedule: str = setting(
        "steps",
        Choice(("steps", "cosine")),
        "Of the learning rate after warm-up: a tenth at each of lr_milestones, "
        "or half a cosine down to nothing.",
    )
    warmup_epochs: int | None = setting(
        None,
        ANY_COUNT,
        "Epochs of warm-up; default a tenth, at most 5.",
    )
    lr_milestones: tuple | None = setting(
        None,
        Epochs(),
        "1-based epochs from which the rate is 10 times lower; default at half "
        "and at three quarters of the epochs.",
    )
    average_weights: float = setting(
        0.0,
        FRACTION,
        "Largest decay of a running mean of the weights, such as 0.999; 0 for "
        "none. Each student is measured with the averaged weights, too, as "
        "NAME/averaged.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs is not None and self.steps is not None:
            raise UserError(
                f"--steps {self.steps} stands instead of --epochs, received "
                f"--epochs {self.epochs}, too: leave one of them out."
            )
        if self.optimizer != "sgd" and (
            self.nesterov or self.pretrained_rate != 1
        ):
            raise UserError(
                "--nesterov and --pretrained_rate belong to --optimizer sgd, "
                f"received --optimizer {self.optimizer}: leave them out."
            )
        if self.schedule == "cosine" and self.lr_milestones:
            raise UserError(
                "--lr_milestones belong to --schedule steps, received "
                "--schedule cosine: leave them out."
            )
