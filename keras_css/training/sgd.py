"""SGD as PyTorch computes it: coupled weight decay, rate outside momentum."""

from typing import Any

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css_runtime.settings import FRACTION
from keras_css_runtime.settings import NOT_NEGATIVE
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import check_settings

RULES = {"momentum": FRACTION, "weight_decay": NOT_NEGATIVE, "nesterov": Flag()}


@keras.saving.register_keras_serializable(package="keras_css")
class SGD(keras.optimizers.Optimizer):
    """Stochastic gradient descent in PyTorch's form.

        g <- g + weight_decay * p
        v <- momentum * v + g
        p <- p - learning_rate * v          (Nesterov: g + momentum * v)

    Keras' own SGD keeps the learning rate inside the velocity, which differs
    whenever the rate changes, and its weight decay is decoupled.

    Args:
        learning_rate: A number, a `LearningRateSchedule` or a function.
        momentum: In [0, 1).
        weight_decay: Coupled: added to the gradient of every weight, BatchNorm
            and biases included; `exclude_from_weight_decay` leaves some out.
        nesterov: Whether to look ahead.
        **kwargs: As of `keras.optimizers.Optimizer` (clipping, averaging).

    Raises:
        UserError: If an argument is out of range.
    """

    def __init__(
        self,
        # A number, a schedule or a function without arguments.
        learning_rate: Any = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        name: str = "sgd",
        **kwargs: Any,
    ) -> None:
        check_settings(
            RULES,
            {
                "momentum": momentum,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
        )
        if not callable(learning_rate):
            NOT_NEGATIVE.check("learning_rate", learning_rate)
            learning_rate = float(learning_rate)
        if nesterov and not momentum:
            raise UserError(
                "nesterov needs a momentum above 0, received momentum=0: leave "
                "one of them out."
            )
        # The base class would apply its weight_decay decoupled.
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.coupled_weight_decay = weight_decay
        self.nesterov = nesterov
        self.velocities = None
        self._rates = {}

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        if self.momentum:
            self.velocities = self.add_optimizer_variables(
                variables, "velocity"
            )

    def scale_rate(self, variables, factor):
        """Gives some weights a learning rate of their own.

        It is not saved with the optimizer.

        Args:
            variables: List of Keras variables.
            factor: What their rate is multiplied by.
        """
        NOT_NEGATIVE.check("factor", factor)
        if factor != 1:
            rate = float(factor)
            self._rates.update({self._var_key(v): rate for v in variables})

    def rate_of(self, variable):
        """Returns what the learning rate of a variable is multiplied by."""
        return self._rates.get(self._var_key(variable), 1.0)

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype) * self.rate_of(variable)
        step = ops.cast(gradient, variable.dtype)
        if self.coupled_weight_decay and self.decays(variable):
            step = step + self.coupled_weight_decay * variable
        if self.momentum:
            velocity = self.velocities[self._get_variable_index(variable)]
            moved = self.momentum * velocity + step
            self.assign(velocity, moved)
            step = step + self.momentum * moved if self.nesterov else moved
        self.assign_sub(variable, rate * step)

    def decays(self, variable):
        """Returns whether weight decay applies to a variable."""
        return self._use_weight_decay(variable)

    def _backend_update_step(self, gradients, variables, learning_rate):
        # Keras' hook for a backend that updates all weights at once.
        if keras.backend.backend() == "torch":
            from keras_css.training.sgd_torch import update_all

            update_all(self, gradients, variables, learning_rate)
        else:
            super()._backend_update_step(gradients, variables, learning_rate)

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "weight_decay": self.coupled_weight_decay,
            "nesterov": self.nesterov,
        }
