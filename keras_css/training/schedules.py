"""Learning-rate schedules: linear warm-up, then steps down or a cosine."""

import math
from collections.abc import Sequence

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css_runtime.settings import COUNT
from keras_css_runtime.settings import NOT_NEGATIVE
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import check_settings

RULES = {
    "learning_rate": NOT_NEGATIVE,
    "steps_per_epoch": COUNT,
    "epochs": COUNT,
    "warmup_epochs": NOT_NEGATIVE,
    "factor": NOT_NEGATIVE,
    "smooth_warmup": Flag(),
}


@keras.saving.register_keras_serializable(package="keras_css")
class WarmupMultiStep(keras.optimizers.schedules.LearningRateSchedule):
    """The reference recipe's learning rate, as a function of the step.

    With e the 1-based epoch of a step: rate * min(1, e / warmup_epochs),
    times `factor` for every milestone m with e >= m. For 300 epochs the
    reference has 5 warm-up epochs and milestones 150 and 225.

    Args:
        learning_rate: The full rate.
        steps_per_epoch: Steps of one epoch.
        warmup_epochs: 0 for none.
        milestones: 1-based epochs from which the rate is `factor` times lower.
        factor: What a milestone multiplies the rate with.
        smooth_warmup: Whether the rate climbs with every step instead of
            every epoch; it then equals the reference's value of an epoch at
            the epoch's last step.

    Raises:
        UserError: If an argument is out of range.
    """

    def __init__(
        self,
        learning_rate: float,
        steps_per_epoch: int,
        warmup_epochs: int = 5,
        milestones: Sequence[int] = (150, 225),
        factor: float = 0.1,
        smooth_warmup: bool = False,
    ) -> None:
        check_settings(
            RULES,
            {
                "learning_rate": learning_rate,
                "steps_per_epoch": steps_per_epoch,
                "warmup_epochs": warmup_epochs,
                "factor": factor,
                "smooth_warmup": smooth_warmup,
            },
        )
        for milestone in milestones:
            COUNT.check("Each of milestones", milestone)
        if list(milestones) != sorted(milestones):
            raise UserError(
                f"milestones must ascend. Received: milestones={milestones}"
            )
        self.learning_rate = learning_rate
        self.steps_per_epoch = steps_per_epoch
        self.warmup_epochs = warmup_epochs
        self.milestones = tuple(milestones)
        self.factor = factor
        self.smooth_warmup = smooth_warmup

    def __call__(self, step):
        # Whole numbers: float32 would misplace a boundary after 2^24 steps.
        step = ops.cast(step, "int32")
        epoch = step // self.steps_per_epoch + 1
        rate = ops.convert_to_tensor(self.learning_rate, "float32")
        if self.warmup_epochs:
            if self.smooth_warmup:
                done = ops.cast(step + 1, "float32") / self.steps_per_epoch
            else:
                done = ops.cast(epoch, "float32")
            rate = rate * ops.minimum(1.0, done / self.warmup_epochs)
        for milestone in self.milestones:
            rate = rate * ops.where(epoch >= milestone, self.factor, 1.0)
        return rate

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "steps_per_epoch": self.steps_per_epoch,
            "warmup_epochs": self.warmup_epochs,
            "milestones": list(self.milestones),
            "factor": self.factor,
            "smooth_warmup": self.smooth_warmup,
        }


@keras.saving.register_keras_serializable(package="keras_css")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then half a cosine down to nothing, step by step.

    With s the 1-based step, w those of the warm-up and n all of them:
    rate * s / w up to w, then rate * (1 + cos(pi (s - w) / (n - w))) / 2
    (SGDR without restarts, arXiv 1608.03983). Beyond n the rate stays 0.

    Args:
        learning_rate: The full rate.
        steps_per_epoch: Steps of one epoch.
        epochs: Epochs of the whole run.
        warmup_epochs: Fewer than `epochs`; 0 for none.

    Raises:
        UserError: If an argument is out of range.
    """

    def __init__(self, learning_rate, steps_per_epoch, epochs, warmup_epochs=5):
        check_settings(
            RULES,
            {
                "learning_rate": learning_rate,
                "steps_per_epoch": steps_per_epoch,
                "epochs": epochs,
                "warmup_epochs": warmup_epochs,
            },
        )
        if warmup_epochs >= epochs:
            raise UserError(
                "warmup_epochs must be fewer than epochs. Received: "
                f"warmup_epochs={warmup_epochs}, epochs={epochs}"
            )
        self.learning_rate = learning_rate
        self.steps_per_epoch = steps_per_epoch
        self.epochs = epochs
        self.warmup_epochs = warmup_epochs

    def __call__(self, step):
        step = ops.cast(step, "float32") + 1.0
        warm = float(self.warmup_epochs * self.steps_per_epoch)
        total = float(self.epochs * self.steps_per_epoch)
        share = ops.clip((step - warm) / (total - warm), 0.0, 1.0)
        rate = (1.0 + ops.cos(math.pi * share)) / 2.0
        if warm:
            rate = ops.where(step < warm, step / warm, rate)
        return rate * ops.convert_to_tensor(self.learning_rate, "float32")

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "steps_per_epoch": self.steps_per_epoch,
            "epochs": self.epochs,
            "warmup_epochs": self.warmup_epochs,
        }
