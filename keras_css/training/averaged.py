"""Averaged weights: a running mean of each network's, kept while it trains."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_css.copies import derive_state
from keras_css.errors import UserError

# With it the mean is over about the last tenth of the steps at first.
LAG = 9.0


class AveragedWeights:
    """Adds averaged weights to `OnlineDistiller`, of every method alike.

    After step t, counted from 0, and with all weights of a network (those of
    BatchNorm's statistics included) in one vector:

        average <- d average + (1 - d) weights,  d = min(decay, t / (t + 9))

    So it knows nothing of what it began with, and little of early steps,
    which a decay alone would keep for 7 / (1 - decay) steps. The vectors are
    weights of the distiller: files and checkpoints hold them.
    """

    averages = ()

    def build_averages(self):
        """Makes the averages; the networks are built."""
        if not self.average_weights:
            return
        self.averaged_steps = self.add_weight(
            name="averaged_steps",
            shape=(),
            initializer="zeros",
            trainable=False,
        )
        self.averages = [
            self.add_weight(
                name=f"{name}_average",
                shape=(sum(_sizes(_averaged(network))),),
                dtype=_precision(_averaged(network)),
                initializer="zeros",
                trainable=False,
            )
            for name, network in self.named_networks.items()
        ]

    def after_step(self):
        """Moves what follows the weights after an optimizer step."""
        self.method.after_step(self.named_networks)
        if not self.averages:
            return
        step = self.averaged_steps
        decay = ops.minimum(step / (step + LAG), self.average_weights)
        for average, network in zip(self.averages, self.networks):
            weights = _flat(_averaged(network), average.dtype)
            d = ops.cast(decay, average.dtype)
            average.assign(weights + d * (average - weights))
        step.assign_add(1.0)

    @contextlib.contextmanager
    def averaged(self):
        """While it lasts, the networks have the averaged weights.

        Measure, save or cut students out inside. BatchNorm's statistics are
        averages, too; `re_estimate_statistics` inside makes them exact, and
        they are kept with the averages.

        Raises:
            UserError: If there are none, or no step was taken yet.

        Example:

        ```python
        distiller = OnlineDistiller(networks, average_weights=0.999)
        distiller.fit(x, y, epochs=10)
        with distiller.averaged():
            re_estimate_statistics(distiller, [(x, y)])
            distiller.evaluate(x_test, y_test)
        student = distiller.student("network_a/branch_0/averaged")
        ```
        """
        if not self.averages or not int(
            ops.convert_to_numpy(self.averaged_steps)
        ):
            raise UserError(
                "Averaged weights need a cohort that was trained with "
                f"average_weights, received average_weights="
                f"{self.average_weights} and no step: give it, and call fit."
            )
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self):
        for average, network in zip(self.averages, self.networks):
            weights = _averaged(network)
            trained = ops.convert_to_numpy(_flat(weights, average.dtype))
            # A copy: arrays of PyTorch's tensors change with them.
            values = np.array(ops.convert_to_numpy(average))
            parts = np.split(values, np.cumsum(_sizes(weights))[:-1])
            for weight, value in zip(weights, parts):
                weight.assign(value.reshape(weight.shape).astype(weight.dtype))
            average.assign(trained)
        derive_state(self)


def _averaged(network):
    """Returns the weights of a network that are numbers with fractions."""
    return [
        weight
        for weight in network.weights
        if keras.backend.is_float_dtype(weight.dtype)
    ]


def _sizes(weights):
    return [int(np.prod(weight.shape)) for weight in weights]


def _precision(weights):
    double = any(weight.dtype == "float64" for weight in weights)
    return "float64" if double else "float32"


def _flat(weights, dtype):
    return ops.concatenate(
        [ops.cast(ops.reshape(weight, (-1,)), dtype) for weight in weights]
    )
