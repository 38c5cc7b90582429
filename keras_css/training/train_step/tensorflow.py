"""The training step on TensorFlow."""

import keras
import tensorflow as tf


class TrainStep:
    """Adds `train_step` to a `keras.Model` on the TensorFlow backend."""

    @property
    def on_accelerator(self):
        """Whether steps run on something else than the processor."""
        return bool(tf.config.list_physical_devices("GPU"))

    @property
    def default_jit_compile(self):
        """On a processor XLA runs the step slower and takes long to begin."""
        return "auto" if self.on_accelerator else False

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs, sample_weight, True)
            scaled_loss = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        gradients = tape.gradient(scaled_loss, weights)
        self.optimizer.apply(gradients, weights)
        self.method.after_step(self.named_networks)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(y)[0])
        return self.compute_metrics(x, y, outputs, sample_weight)
