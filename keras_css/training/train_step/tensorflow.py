"""The training step on TensorFlow."""

import json
import os

import keras
import tensorflow as tf

from keras_css.training.replicas import refuse_replicas


class OneReplica:
    """A strategy of one replica that takes its batches as they are.

    Strategies read through an iterator of their own, with its own threads. A
    process was seen to end in a segmentation fault where Keras drops such an
    iterator before validation; it is taken for the cause, which was not
    proved. One replica has nothing to share out.

    The thread that tunes a dataset looks at it 10, 20, 40, ... ms after the
    last time and may miss that the epoch has ended: then it is waited for, up
    to half of the epoch's time. So nothing but a user's own pipeline is tuned.

    Args:
        strategy: A `tf.distribute.Strategy`, which does all the rest.
        tuned: Whether datasets are tuned while they are read.
    """

    def __init__(self, strategy, tuned):
        self._strategy = strategy
        self._tuned = tuned

    def __getattr__(self, name):
        return getattr(self._strategy, name)

    def experimental_distribute_dataset(self, dataset, options=None):
        if self._tuned:
            return dataset
        untuned = tf.data.Options()
        untuned.autotune.enabled = False
        return dataset.with_options(untuned)


class TrainStep:
    """Adds `train_step` to a `keras.Model` on the TensorFlow backend."""

    _tuned = False

    @property
    def on_accelerator(self):
        """Whether steps run on something else than the processor."""
        return bool(tf.config.list_physical_devices("GPU"))

    @property
    def default_jit_compile(self):
        """On a processor XLA runs the step slower and takes long to begin."""
        return "auto" if self.on_accelerator else False

    @property
    def own_strategy(self):
        """The strategy that the cohort, or one of its networks, was made in."""
        for model in (self, *self.networks):
            if model._distribute_strategy is not None:
                return model._distribute_strategy
        return tf.distribute.get_strategy()

    def building(self):
        """Returns a scope in which variables are made as those that are."""
        return self.own_strategy.scope()

    def refuse_replicas(self):
        """Raises `UserError` if a strategy holds several copies of weights."""
        refuse_replicas(self.own_strategy.num_replicas_in_sync)

    @property
    def distribute_strategy(self):
        """The strategy that Keras feeds and takes steps by."""
        strategy = self.own_strategy
        if strategy.num_replicas_in_sync > 1:
            return strategy
        return OneReplica(strategy, self._tuned)

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        optimizer = self.optimizer
        for part in (optimizer, getattr(optimizer, "inner_optimizer", None)):
            # One that was made outside the scope would make its variables
            # there.
            if part is not None and not part.built:
                part._distribution_strategy = self.own_strategy

    def fit(self, x=None, *args, validation_data=None, **kwargs):
        self._tuned = _of_tensorflow(x) or _of_tensorflow(validation_data)
        return super().fit(x, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        self._tuned = _of_tensorflow(x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        self._tuned = _of_tensorflow(x)
        return super().predict(x, *args, **kwargs)

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs, sample_weight, True)
            scaled_loss = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        gradients = tape.gradient(scaled_loss, weights)
        self.optimizer.apply(gradients, weights)
        self.after_step()
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(y)[0])
        return self.compute_metrics(x, y, outputs, sample_weight)


def _of_tensorflow(data):
    return isinstance(data, tf.data.Dataset)


def processes():
    """Returns how many processes train together, as `TF_CONFIG` says."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG", "{}"))["cluster"]
        return max(1, sum(len(hosts) for hosts in cluster.values()))
    except (ValueError, KeyError, AttributeError, TypeError):
        return 1
