"""Copies of networks whose weights are running averages of theirs."""

import keras

from keras_css.copies import own_config
from keras_css.copies import take_weights
from keras_css.networks import MultiBranchNetwork


class AveragedCopies:
    """One copy of each network, for a method to teach with or to ship.

    A copy's trainable weights follow `average <- d average + (1 - d) weight`
    with `d = min(1 - 1 / (step + 1), decay)` (mean teacher, Tarvainen and
    Valpola 2017, arXiv 1703.01780). It does not train. Its BatchNorm
    statistics come from its own calls in training.

    Args:
        networks: Dict from name to network.
        decay: Largest d.
    """

    def __init__(self, networks, decay):
        self.decay = decay
        self.networks = {
            average_name(name, len(networks)): copy_of(network)
            for name, network in networks.items()
        }

    def begin(self, networks):
        """Copies all weights; the copies are built."""
        for copy, network in zip(self.networks.values(), networks.values()):
            take_weights(copy, network)
            for variable in copy.trainable_variables:
                variable.trainable = False

    def follow(self, networks, step):
        """Moves the averages after a step.

        Args:
            networks: Dict from name to network.
            step: Float scalar, 0 for the first step.
        """
        decay = keras.ops.minimum(1.0 - 1.0 / (step + 1.0), self.decay)
        for copy, network in zip(self.networks.values(), networks.values()):
            for average, weight in zip(copy.weights, network.weights):
                if weight.trainable:
                    d = keras.ops.cast(decay, average.dtype)
                    average.assign(d * average + (1.0 - d) * weight)


def average_name(name, count):
    """Returns `ema` for a cohort of one network, else `ema_a`, `ema_b`, ..."""
    return "ema" if count == 1 else name.replace("network", "ema")


def copy_of(network):
    """Returns an unbuilt network of the same configuration."""
    config = own_config(network)
    return MultiBranchNetwork.from_config({**config, "name": None})
