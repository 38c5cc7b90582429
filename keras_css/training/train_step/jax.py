"""The training step on JAX: state in, state out."""

import jax
import keras


class TrainStep:
    """Adds `train_step` to a `keras.Model` on the JAX backend."""

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

        scope = keras.StatelessScope(
            state_mapping=[
                *zip(self.trainable_variables, weights),
                *zip(self.non_trainable_variables, fixed),
                *zip(self.metrics_variables, metrics),
            ]
        )
        with scope:
            self.method.after_step(self.named_networks)
            self._loss_tracker.update_state(loss, sample_weight=x.shape[0])
            logs = self.compute_metrics(x, y, outputs, sample_weight)

        def after(variables):
            return [scope.get_current_value(v) for v in variables]

        fixed = after(self.non_trainable_variables)
        metrics = after(self.metrics_variables)
        return logs, (weights, fixed, optimizer_state, metrics)
