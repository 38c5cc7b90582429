"""The training step on PyTorch."""

import keras
import torch


class TrainStep:
    """Adds `train_step` to a `keras.Model` on the PyTorch backend."""

    default_jit_compile = "auto"

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self(x, training=True)
        loss = self.compute_loss(x, y, outputs, sample_weight, True)
        self.zero_grad()
        self.optimizer.scale_loss(loss).backward()
        weights = self.trainable_weights
        gradients = [weight.value.grad for weight in weights]
        with torch.no_grad():
            self.optimizer.apply(gradients, weights)
            self.method.after_step(self.named_networks)
            self._loss_tracker.update_state(loss, sample_weight=y.shape[0])
            return self.compute_metrics(x, y, outputs, sample_weight)
