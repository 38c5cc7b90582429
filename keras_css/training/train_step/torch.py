"""The training step on PyTorch."""

import contextlib
import os
import warnings

import keras
import torch

from keras_css.training.memory_torch import order_kernels
from keras_css.training.recording import Recorder


class TrainStep:
    """Adds `train_step` to a `keras.Model` on the PyTorch backend.

    Keras takes one step a call there. Several save what is done after a call:
    reading the metrics makes the host wait for the device.
    """

    default_jit_compile = "auto"
    _recorder = None

    def building(self):
        """Returns a scope in which variables are made: none is needed."""
        return contextlib.nullcontext()

    def refuse_replicas(self):
        """Does nothing: there is one copy of the weights, whole or in parts."""

    @property
    def on_accelerator(self):
        """Whether steps run on something else than the processor."""
        return self.epoch.value.device.type != "cpu"

    def train_step(self, data):
        if self._recorder is not None and self._rate is not self._recorder.rate:
            self._begin_recording()
        if self._recorder is None:
            return self.one_step(data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        # What is drawn in a recorded step would be the same in all.
        batch = self.views.with_draws(x), y, sample_weight
        return self._recorder(keras.tree.map_structure(_as_tensor, batch))

    def one_step(self, data):
        """Takes a step, one operation after the other."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self(x, training=True)
        loss = self.compute_loss(x, y, outputs, sample_weight, True)
        weights = self.trainable_weights
        gradients = torch.autograd.grad(
            self.optimizer.scale_loss(loss),
            [weight.value for weight in weights],
            allow_unused=True,
        )
        with torch.no_grad():
            self.optimizer.apply(gradients, weights)
            self.after_step()
            self._loss_tracker.update_state(loss, sample_weight=y.shape[0])
            return self.compute_metrics(x, y, outputs, sample_weight)

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            with self.one_step_a_call():
                super().make_train_function(force)
            self.train_function = _on_each(self.train_function)
            order_kernels(self._flatten_layers(), self.optimizer.variables)
            self._recorder = None
            self._begin_recording()

    def _begin_recording(self):
        """Lets steps be recorded, on processors, as the cohort is now."""
        layers = list(self._flatten_layers())
        frozen = [not layer.trainable for layer in layers]
        weights = [(id(v), v.trainable) for v in self.variables]
        rate = self._rate
        state = frozen, weights, *map(id, (self.optimizer, self.method, rate))
        otherwise = self.run_eagerly or self.jit_compile or self.on_accelerator
        if otherwise or _asks_python(rate):
            self._recorder = None
        elif self._recorder is None or self._recorder.state != state:
            variables = (
                self.variables
                + self.metrics_variables
                + self.optimizer.variables
            )
            # Keras would take a rate kept here for a weight of the cohort.
            self._recorder = Recorder(
                self.one_step, variables, [self.method, *layers], state, rate
            )

    @property
    def _rate(self):
        """What the optimizer takes its learning rate from."""
        return getattr(self.optimizer, "_learning_rate", None)

    def train_on_batch(self, *args, **kwargs):
        if self.train_function is not None:
            self._begin_recording()
        return super().train_on_batch(*args, **kwargs)

    def make_test_function(self, force=False):
        if self.test_function is None or force:
            with self.one_step_a_call():
                super().make_test_function(force)
            self.test_function = _on_each(self.test_function)

    def make_predict_function(self, force=False):
        with self.one_step_a_call():
            super().make_predict_function(force)

    def fit(self, *args, **kwargs):
        if self.train_function is not None:
            # Layers may have been frozen since.
            self._begin_recording()
        with _last_call_may_be_short(self.steps_per_execution):
            return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        with _last_call_may_be_short(self.steps_per_execution):
            return super().evaluate(*args, **kwargs)


def processes():
    """Returns how many processes train together, or were started to."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    started = os.environ.get("WORLD_SIZE", "")
    return int(started) if started.isdecimal() else 1


def _as_tensor(value):
    return None if value is None else keras.ops.convert_to_tensor(value)


def _asks_python(rate):
    """Returns whether a learning rate is a function of the user's."""
    known = (keras.Variable, keras.optimizers.schedules.LearningRateSchedule)
    return callable(rate) and not isinstance(rate, known)


def _on_each(step):
    """Returns a function from a list of batches to the logs of the last."""

    def steps(batches):
        for batch in batches:
            logs = step([batch])
        return logs

    return steps


@contextlib.contextmanager
def _last_call_may_be_short(steps):
    """Keras warns when an epoch's last call has fewer batches than others."""
    with warnings.catch_warnings():
        if steps > 1:
            warnings.filterwarnings("ignore", "Your input ran out of data")
        yield
