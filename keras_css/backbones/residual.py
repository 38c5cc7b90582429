"""Residual blocks for CIFAR-sized ResNets (He 2016, arXiv 1512.03385).

Padding is written out where a stride is 2, because "same" pads differently
in Keras and PyTorch there; BatchNorm is PyTorch's (see `batch_norm.py`).
"""

import keras
from keras import ops

from keras_css.backbones.batch_norm import BatchNorm


def kaiming_normal_fan_out():
    """Returns N(0, sqrt(2 / fan_out)), fan_out = kernel area * filters."""
    return keras.initializers.VarianceScaling(
        2.0, mode="fan_out", distribution="untruncated_normal"
    )


def convolution(filters, kernel_size, stride=1, name=None):
    """Returns a convolution without bias; at stride 2 without padding."""
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer=kaiming_normal_fan_out(),
        data_format="channels_last",
        name=name,
    )


def padding_for(stride):
    """Returns what a 3x3 convolution of this stride needs in front of it."""
    if stride == 1:
        return None
    return keras.layers.ZeroPadding2D(1, data_format="channels_last")


@keras.saving.register_keras_serializable(package="keras_css")
class Stem(keras.layers.Layer):
    """3x3 convolution, BatchNorm, ReLU at full resolution."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.conv1 = convolution(filters, 3, name="conv1")
        self.bn1 = BatchNorm(name="bn1")

    def call(self, images, training=None):
        return ops.relu(self.bn1(self.conv1(images), training=training))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


class ResidualBlock(keras.layers.Layer):
    """What both blocks share: `relu(residual(x) + shortcut(x))`.

    Args:
        filters: Width of the 3x3 convolutions before any widening.
        stride: 1 or 2.
        project: Whether the shortcut is a 1x1 convolution with BatchNorm.
    """

    expansion = 1

    def __init__(self, filters, stride=1, project=False, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride
        self.project = project
        self.shortcut_conv = None
        self.shortcut_bn = None
        if project:
            self.shortcut_conv = convolution(
                filters * self.expansion, 1, stride, name="shortcut_conv"
            )
            self.shortcut_bn = BatchNorm(name="shortcut_bn")

    def residual(self, features, training):
        """Returns the block's own branch before the sum."""
        raise NotImplementedError(f"{type(self).__name__} needs residual().")

    def call(self, features, training=None):
        shortcut = features
        if self.project:
            shortcut = self.shortcut_conv(features)
            shortcut = self.shortcut_bn(shortcut, training=training)
        return ops.relu(self.residual(features, training) + shortcut)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "stride": self.stride,
            "project": self.project,
        }


@keras.saving.register_keras_serializable(package="keras_css")
class BasicBlock(ResidualBlock):
    """3x3 (stride), BatchNorm, ReLU, 3x3, BatchNorm."""

    def __init__(self, filters, stride=1, project=False, **kwargs):
        super().__init__(filters, stride, project, **kwargs)
        self.pad = padding_for(stride)
        self.conv1 = convolution(filters, 3, stride, name="conv1")
        self.bn1 = BatchNorm(name="bn1")
        self.conv2 = convolution(filters, 3, name="conv2")
        self.bn2 = BatchNorm(name="bn2")

    def residual(self, features, training):
        x = self.pad(features) if self.pad else features
        x = ops.relu(self.bn1(self.conv1(x), training=training))
        return self.bn2(self.conv2(x), training=training)


@keras.saving.register_keras_serializable(package="keras_css")
class Bottleneck(ResidualBlock):
    """1x1, 3x3 (stride), 1x1 to 4 times the filters, BatchNorm after each.

    Args:
        inner_width: Multiplier of the 1x1 and 3x3 convolutions' width; the
            block's output stays 4 * filters wide.
    """

    expansion = 4

    def __init__(
        self, filters, stride=1, project=False, inner_width=1, **kwargs
    ):
        super().__init__(filters, stride, project, **kwargs)
        self.inner_width = inner_width
        width = filters * inner_width
        self.conv1 = convolution(width, 1, name="conv1")
        self.bn1 = BatchNorm(name="bn1")
        self.pad = padding_for(stride)
        self.conv2 = convolution(width, 3, stride, name="conv2")
        self.bn2 = BatchNorm(name="bn2")
        self.conv3 = convolution(filters * self.expansion, 1, name="conv3")
        self.bn3 = BatchNorm(name="bn3")

    def residual(self, features, training):
        x = ops.relu(self.bn1(self.conv1(features), training=training))
        x = self.pad(x) if self.pad else x
        x = ops.relu(self.bn2(self.conv2(x), training=training))
        return self.bn3(self.conv3(x), training=training)

    def get_config(self):
        return {**super().get_config(), "inner_width": self.inner_width}
