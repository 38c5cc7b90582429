"""The training step on JAX: state in, state out."""

import contextlib
import math

import jax
import keras

from keras_css.training.replicas import batch_sizes
from keras_css.training.train_step.jax_call import KERAS_STACKS
from keras_css.training.train_step.jax_call import Call
from keras_css.training.train_step.jax_devices import refuse_early_variables
from keras_css.training.train_step.jax_devices import refuse_uneven
from keras_css.training.train_step.jax_loop import StepLoop


class TrainStep:
    """Adds `train_step` and `test_step` to a `keras.Model` on JAX."""

    default_jit_compile = "auto"
    # Whether Keras' iterator gives the batches of a call at once.
    batches_come_stacked = False

    def building(self):
        """Returns a scope in which variables are made: none is needed."""
        return contextlib.nullcontext()

    def refuse_replicas(self):
        """Does nothing: there is one copy of the weights, whole or in parts."""

    @property
    def on_accelerator(self):
        """Whether steps run on something else than the processor."""
        return jax.default_backend() != "cpu"

    def train_step(self, state, data):
        weights, fixed, optimizer_state, metrics = state
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        gradient_of = jax.value_and_grad(
            self.compute_loss_and_updates, has_aux=True
        )
        (_, (loss, outputs, fixed, metrics)), gradients = gradient_of(
            weights,
            fixed,
            metrics,
            x,
            y,
            sample_weight,
            training=True,
            optimizer_variables=optimizer_state,
        )
        weights, optimizer_state = self.optimizer.stateless_apply(
            optimizer_state, gradients, weights
        )
        scope = self._scope(weights, fixed, metrics)
        with scope:
            self.after_step()
            self._loss_tracker.update_state(loss, sample_weight=y.shape[0])
            logs = self.compute_metrics(x, y, outputs, sample_weight)
        fixed = _current(scope, self.non_trainable_variables)
        metrics = _current(scope, self.metrics_variables)
        return logs, (weights, fixed, optimizer_state, metrics)

    def test_step(self, state, data):
        # Keras' own step measures with the model's weights out of reach, and
        # a student may need the method's.
        weights, fixed, metrics = state
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        _, (loss, outputs, fixed, metrics) = self.compute_loss_and_updates(
            weights, fixed, metrics, x, y, sample_weight, training=False
        )
        scope = self._scope(weights, fixed, metrics)
        with scope:
            self._loss_tracker.update_state(loss, sample_weight=y.shape[0])
            logs = self.compute_metrics(x, y, outputs, sample_weight)
        metrics = _current(scope, self.metrics_variables)
        return logs, (weights, fixed, metrics)

    def _make_function(self, step_function, *args, **kwargs):
        # Keras' own function for several steps differs with its version.
        with self.one_step_a_call():
            one_step = super()._make_function(step_function, *args, **kwargs)
        most = self.steps_per_execution
        if most == 1 or kwargs.get("concatenate_outputs"):
            return Call(self, one_step)
        compiled = self.jit_compile and not self.run_eagerly
        if not self.on_accelerator or not compiled:
            # On a processor XLA runs the body of a loop at half the speed of
            # the same step outside, and rounds it differently.
            return Call(self, one_step, most)
        step = jax.jit(step_function, out_shardings=kwargs.get("out_shardings"))
        return Call(self, StepLoop(step, most, self._logs_of))

    def fit(self, x=None, y=None, **kwargs):
        self._refuse_devices(x, **kwargs)
        with self._stacking():
            return super().fit(x, y, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        refuse_uneven(batch_sizes(x, batch_size))
        with self._stacking(), self._keeping_weights():
            return super().evaluate(x, y, batch_size, **kwargs)

    def predict(self, x, batch_size=None, **kwargs):
        refuse_uneven(batch_sizes(x, batch_size))
        with self._keeping_weights():
            return super().predict(x, batch_size, **kwargs)

    def train_on_batch(self, x, *args, **kwargs):
        refuse_uneven({len(x)} if hasattr(x, "shape") else ())
        return super().train_on_batch(x, *args, **kwargs)

    def test_on_batch(self, x, *args, **kwargs):
        refuse_uneven({len(x)} if hasattr(x, "shape") else ())
        return super().test_on_batch(x, *args, **kwargs)

    def _refuse_devices(
        self,
        x,
        batch_size=None,
        validation_split=0.0,
        validation_data=None,
        validation_batch_size=None,
        **others,
    ):
        """Raises `UserError` if data or variables do not suit the devices."""
        refuse_early_variables(self.variables)
        if validation_data is None and validation_split:
            first = math.floor(len(x) * (1 - validation_split))
            x, validation_data = x[:first], x[first:]
        elif isinstance(validation_data, (tuple, list)):
            validation_data = validation_data[0]
        refuse_uneven(
            batch_sizes(x, batch_size)
            | batch_sizes(validation_data, validation_batch_size or batch_size)
        )

    @contextlib.contextmanager
    def _stacking(self):
        """Says how Keras' iterator gives batches while it lasts."""
        before = self.batches_come_stacked
        self.batches_come_stacked = (
            KERAS_STACKS and self.steps_per_execution > 1
        )
        try:
            yield
        finally:
            self.batches_come_stacked = before

    @contextlib.contextmanager
    def _keeping_weights(self):
        """Puts weights back after an error, as `fit` of Keras does."""
        try:
            yield
        except BaseException:
            self.jax_state_sync()
            raise

    def _logs_of(self, metrics):
        with keras.StatelessScope(zip(self.metrics_variables, metrics)):
            return self.get_metrics_result()

    def _scope(self, weights, fixed, metrics):
        """Returns a scope in which all variables have these values."""
        return keras.StatelessScope(
            state_mapping=[
                *zip(self.trainable_variables, weights),
                *zip(self.non_trainable_variables, fixed),
                *zip(self.metrics_variables, metrics),
            ]
        )


def processes():
    """Returns how many processes train together."""
    return jax.process_count()


def _current(scope, variables):
    return [scope.get_current_value(variable) for variable in variables]
