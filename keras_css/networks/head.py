"""The linear classifier at the end of a branch."""

import math

import keras

from keras_css.initial_weights import Uniform


@keras.saving.register_keras_serializable(package="keras_css")
class LinearHead(keras.layers.Dense):
    """Dense layer with PyTorch's `nn.Linear` initialisation.

    Kernel and bias are drawn from U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
    """

    def build(self, input_shape):
        bound = 1.0 / math.sqrt(input_shape[-1])
        self.kernel_initializer = Uniform(bound)
        self.bias_initializer = Uniform(bound)
        super().build(input_shape)
