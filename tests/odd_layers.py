"""Layers whose steps PyTorch can hardly record, or not at all."""

import keras


class Same(keras.layers.Layer):
    """A layer whose output has the shape of its input."""

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="tests")
class Noise(Same):
    """Draws random numbers, as dropout does."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(0)

    def call(self, x, training=None):
        # A preprocessing that is random in inference is refused.
        if not training:
            return x
        shape = keras.ops.shape(x)
        return x + 0.01 * keras.random.normal(shape, seed=self.generator)


@keras.saving.register_keras_serializable(package="tests")
class ReadsValues(Same):
    """Decides on the host."""

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            return x
        return x if float(keras.ops.mean(x)) > 0 else 2 * x


@keras.saving.register_keras_serializable(package="tests")
class Assigns(Same):
    """Variables that are read before and after they are written."""

    def build(self, shape):
        frozen = {"shape": (), "trainable": False, "initializer": "zeros"}
        self.centre = self.add_weight(**frozen)
        self.before = self.add_weight(**frozen)
        self.shadow = self.add_weight(**frozen)
        self.shift = self.add_weight(shape=(), initializer="ones")

    def call(self, x, training=None):
        if training:
            mean = keras.ops.mean(x) * self.shift
            self.before.assign(self.centre)
            self.centre.assign(0.9 * self.centre + 0.1 * mean)
            self.shadow.assign(self.shift)
        return x * self.shift - self.centre


@keras.saving.register_keras_serializable(package="tests")
class KeepsTensor(Same):
    """Goes on with what it kept of the last batch."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last = 0.0

    def call(self, x, training=None):
        if not training:
            return x
        y = x + 0.1 * self.last
        self.last = keras.ops.stop_gradient(keras.ops.mean(x))
        return y


@keras.saving.register_keras_serializable(package="tests")
class CountsSteps(Same):
    """Changes a tensor of its own, whatever the batch is."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.steps = keras.ops.zeros(())

    def call(self, x, training=None):
        if training:
            self.steps.add_(1.0)
            return x * self.steps
        return x


@keras.saving.register_keras_serializable(package="tests")
class WritesBuffer(Same):
    """Changes a tensor that is no variable."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.sums = keras.ops.zeros((3,))

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            return x
        self.sums.mul_(0.9).add_(x.detach().mean())
        return x + self.sums[0]


@keras.saving.register_keras_serializable(package="tests")
class WritesThroughViews(Same):
    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            return x
        sums = x.new_zeros(2, 4)
        sums.view(8)[:3] += x.mean()
        return x + sums.sum()


@keras.saving.register_keras_serializable(package="tests")
class ForeignWeight(Same):
    """A parameter that PyTorch's module reads by itself."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.module = keras.layers.TorchModuleWrapper(_scale_module())

    def call(self, x):
        return x if isinstance(x, keras.KerasTensor) else self.module(x)


def _scale_module():
    import torch

    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, x):
            return x * self.weight

    return Scale()


@keras.saving.register_keras_serializable(package="tests")
class AddsLoss(Same):
    def call(self, x):
        self.add_loss(0.1 * keras.ops.mean(keras.ops.square(x)))
        return 1.0 * x
