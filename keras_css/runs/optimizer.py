"""The optimizer and the learning rate that a configuration describes."""

import keras

from keras_css.training import SGD
from keras_css.training import WarmupCosine
from keras_css.training import WarmupMultiStep


def build_optimizer(config, steps_per_epoch, factor=1.0):
    """Returns the optimizer of a run, not built.

    Args:
        config: A complete `RunConfig`.
        steps_per_epoch: Steps of one epoch.
        factor: What the learning rate is multiplied by.
    """
    rate = config.learning_rate * factor
    if config.schedule == "cosine":
        rate = WarmupCosine(
            rate, steps_per_epoch, config.epochs, config.warmup_epochs
        )
    else:
        rate = WarmupMultiStep(
            rate, steps_per_epoch, config.warmup_epochs, config.lr_milestones
        )
    if config.optimizer == "adamw":
        # Decoupled: a tenth of it a step at a rate of 0.1.
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    return SGD(
        rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
    )
