"""The training step on TensorFlow."""

import keras
import tensorflow as tf

_DEFAULT_STRATEGY = tf.distribute.get_strategy()


class EndsAtOnce:
    """A strategy whose datasets are not tuned while they are read.

    The thread that tunes looks at its dataset 10, 20, 40, ... ms after the
    last time and may miss that the epoch has ended: then it is waited for, up
    to half of the epoch's time.

    Args:
        strategy: A `tf.distribute.Strategy`, which does all the rest.
    """

    def __init__(self, strategy):
        self._strategy = strategy

    def __getattr__(self, name):
        return getattr(self._strategy, name)

    def experimental_distribute_dataset(self, dataset):
        options = tf.data.Options()
        options.autotune.enabled = False
        return self._strategy.experimental_distribute_dataset(
            dataset.with_options(options)
        )


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

    @property
    def distribute_strategy(self):
        """The strategy that Keras feeds and takes steps by."""
        strategy = super().distribute_strategy
        # One that the user has chosen stays as it is.
        is_default = type(strategy) is type(_DEFAULT_STRATEGY)
        return EndsAtOnce(strategy) if is_default else strategy

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
