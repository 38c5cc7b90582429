"""The training step on JAX: state in, state out."""

import jax
import keras

from keras_css.training.train_step.jax_loop import StepLoop


class TrainStep:
    """Adds `train_step` and `test_step` to a `keras.Model` on JAX."""

    default_jit_compile = "auto"

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
            self.method.after_step(self.named_networks)
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

    def _make_function(self, step_function, concatenate_outputs=False):
        # On a processor XLA runs the body of a loop at half the speed of the
        # same step outside, and rounds it differently.
        several = self.steps_per_execution > 1 and self.on_accelerator
        if concatenate_outputs or not several or not self.jit_compile:
            return super()._make_function(step_function, concatenate_outputs)
        return StepLoop(step_function, self.steps_per_execution, self._logs_of)

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


def _current(scope, variables):
    return [scope.get_current_value(variable) for variable in variables]
