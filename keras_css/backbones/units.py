"""What several families are made of: convolution, BatchNorm, activation.

`ConvNorm` normalises behind a convolution, `NormReLU` in front of one.
"""

import keras
from keras import ops

from keras_css.backbones.batch_norm import BatchNorm
from keras_css.backbones.kernels import conv_norm
from keras_css.backbones.residual import convolution
from keras_css.backbones.residual import padding_for
from keras_css.initial_weights import KaimingNormal


def depthwise(stride=1, name=None):
    """Returns a 3x3 filter for each channel, padded as `convolution` is."""
    return keras.layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        depthwise_initializer=KaimingNormal(),
        data_format="channels_last",
        name=name,
    )


@keras.saving.register_keras_serializable(package="keras_css")
class ConvNorm(keras.layers.Layer):
    """Convolution without bias, BatchNorm, activation.

    Args:
        filters: Width of the output; None for a depthwise convolution.
        kernel_size: 1 or 3; a depthwise convolution is 3x3.
        stride: 1 or 2.
        activation: `"relu"`, `"relu6"` or None.
    """

    def __init__(
        self, filters, kernel_size=3, stride=1, activation="relu", **kwargs
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.stride = stride
        self.activation = activation
        self.pad = padding_for(stride) if kernel_size == 3 else None
        if filters is None:
            self.conv = depthwise(stride, name="conv")
        else:
            self.conv = convolution(filters, kernel_size, stride, name="conv")
        self.norm = BatchNorm(name="norm")

    def call(self, features, training=None):
        x = conv_norm(
            features,
            self.conv,
            self.norm,
            self.pad,
            relu=self.activation == "relu",
            training=training,
        )
        return ops.relu6(x) if self.activation == "relu6" else x

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "activation": self.activation,
        }


@keras.saving.register_keras_serializable(package="keras_css")
class NormReLU(keras.layers.Layer):
    """BatchNorm and ReLU, of what no single convolution put out."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = BatchNorm(name="norm")

    def call(self, features, training=None):
        return ops.relu(self.norm(features, training=training))
