"""Residual blocks and stages (He 2016, arXiv 1512.03385).

Padding is written out where a stride is 2, because "same" pads differently
in Keras and PyTorch there; BatchNorm is PyTorch's (see `batch_norm.py`).
"""

import keras

from keras_css.backbones.batch_norm import BatchNorm
from keras_css.backbones.kernels import conv_norm
from keras_css.errors import UserError
from keras_css.initial_weights import KaimingNormal
from keras_css_runtime.settings import COUNT


def convolution(filters, kernel_size, stride=1, name=None):
    """Returns a convolution without bias; at stride 2 without padding."""
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer=KaimingNormal(),
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
        return conv_norm(images, self.conv1, self.bn1, training=training)

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

    def residual(self, features, shortcut, training):
        """Returns the block's output, the shortcut added before its ReLU."""
        raise NotImplementedError(f"{type(self).__name__} needs residual().")

    def call(self, features, training=None):
        shortcut = features
        if self.project:
            shortcut = conv_norm(
                features,
                self.shortcut_conv,
                self.shortcut_bn,
                relu=False,
                training=training,
            )
        return self.residual(features, shortcut, training)

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

    def residual(self, features, shortcut, training):
        x = conv_norm(
            features, self.conv1, self.bn1, self.pad, training=training
        )
        return conv_norm(
            x, self.conv2, self.bn2, add=shortcut, training=training
        )


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

    def residual(self, features, shortcut, training):
        x = conv_norm(features, self.conv1, self.bn1, training=training)
        x = conv_norm(x, self.conv2, self.bn2, self.pad, training=training)
        return conv_norm(
            x, self.conv3, self.bn3, add=shortcut, training=training
        )

    def get_config(self):
        return {**super().get_config(), "inner_width": self.inner_width}


BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}


def check_blocks(block, blocks, stages):
    """Raises `UserError` unless this is a kind of block and a count a stage."""
    if block not in BLOCKS:
        raise UserError(
            f"block must be one of {', '.join(BLOCKS)}. "
            f"Received: block={block!r}"
        )
    if len(blocks) != stages or not all(map(COUNT.takes, blocks)):
        raise UserError(
            f"blocks must be {stages} counts of at least 1. "
            f"Received: blocks={blocks!r}"
        )


def further_residual_stage(block, width, count, **options):
    """Returns a stage of residual blocks that keeps size and channels.

    Args:
        block, options: As of `residual_stages`.
        width: Filters of the stage before it.
        count: Blocks.
    """
    layers = [BLOCKS[block](width, **options) for _ in range(count)]
    return keras.Sequential(layers, name="further_stage")


def residual_stages(block, channels, filters, blocks, **options):
    """Returns stages of residual blocks; all but the first halve the size.

    Args:
        block: `"basic"` or `"bottleneck"`.
        channels: Width of what the first stage takes.
        filters: Filters of each stage.
        blocks: Blocks of each stage.
        **options: Further arguments of the blocks.
    """
    make = BLOCKS[block]
    stages = []
    for i, (width, count) in enumerate(zip(filters, blocks)):
        stride = 1 if i == 0 else 2
        project = stride != 1 or channels != width * make.expansion
        layers = [make(width, stride, project, **options)]
        layers += [make(width, **options) for _ in range(count - 1)]
        stages.append(keras.Sequential(layers, name=f"stage{i + 1}"))
        channels = width * make.expansion
    return stages
