"""Wide residual networks: pre-activation blocks, k times as wide."""

import keras
from keras import ops

from keras_css.backbones.backbone import Backbone
from keras_css.backbones.batch_norm import BatchNorm
from keras_css.backbones.kernels import conv_norm
from keras_css.backbones.residual import convolution
from keras_css.backbones.residual import padding_for
from keras_css.backbones.units import ConvNorm
from keras_css.backbones.units import NormReLU
from keras_css.errors import UserError
from keras_css_runtime.settings import COUNT

STEM_FILTERS = 16
STAGE_FILTERS = (16, 32, 64)


@keras.saving.register_keras_serializable(package="keras_css")
class PreActivationBlock(keras.layers.Layer):
    """BatchNorm, ReLU, 3x3 (stride), BatchNorm, ReLU, 3x3; plus its input.

    Args:
        filters: Width of both convolutions.
        stride: 1 or 2.
        project: Whether the shortcut is a 1x1 convolution. Such a block takes
            features that have been through BatchNorm and ReLU already, and
            both of its ways begin there.
    """

    def __init__(self, filters, stride=1, project=False, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride
        self.project = project
        self.bn1 = self.shortcut_conv = None
        if project:
            self.shortcut_conv = convolution(
                filters, 1, stride, name="shortcut_conv"
            )
        else:
            self.bn1 = BatchNorm(name="bn1")
        self.pad = padding_for(stride)
        self.conv1 = convolution(filters, 3, stride, name="conv1")
        self.bn2 = BatchNorm(name="bn2")
        self.conv2 = convolution(filters, 3, name="conv2")

    def call(self, features, training=None):
        if self.project:
            shortcut, x = self.shortcut_conv(features), features
        else:
            shortcut = features
            x = ops.relu(self.bn1(features, training=training))
        x = conv_norm(x, self.conv1, self.bn2, self.pad, training=training)
        return self.conv2(x) + shortcut

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "stride": self.stride,
            "project": self.project,
        }


@keras.saving.register_keras_serializable(package="keras_css")
class WideResNet(Backbone):
    """WRN-d-k for small images (Zagoruyko 2016, arXiv 1605.07146).

    A 3x3 stem of 16 filters and three stages of 16 k, 32 k and 64 k, the
    last two halve the images; no dropout. A stage ends with the BatchNorm
    and ReLU that the next one begins with in the paper, so that branches see
    activations: the same network, cut one step later. The default split
    leaves the last stage to the tail.

    Args:
        depth: d = 6 n + 4, two convolutions in each of n blocks a stage.
        width: k.
        split: Stages in the trunk, the stem counted; 1 to 3.

    Raises:
        UserError: If an argument is out of range.
    """

    def __init__(self, depth, width, split=3):
        COUNT.check("depth", depth)
        COUNT.check("width", width)
        if depth < 10 or depth % 6 != 4:
            raise UserError(
                "The depth of a WideResNet must be 6 n + 4 (10, 16, 22, ...). "
                f"Received: depth={depth}"
            )
        self.depth = depth
        self.width = width
        super().__init__(split)

    @property
    def feature_dim(self):
        """Width D of the pooled features."""
        return STAGE_FILTERS[-1] * self.width

    def stages(self):
        if self.width == 1:
            # The first block's shortcut takes the stem as it is.
            layers = [convolution(STEM_FILTERS, 3)]
        else:
            layers = [ConvNorm(STEM_FILTERS)]
        stages = [keras.Sequential(layers, name="stem")]
        channels = STEM_FILTERS
        for i, base in enumerate(STAGE_FILTERS):
            filters = base * self.width
            blocks = [
                PreActivationBlock(
                    filters, 1 if i == 0 else 2, project=channels != filters
                )
            ]
            for _ in range((self.depth - 4) // 6 - 1):
                blocks.append(PreActivationBlock(filters))
            stages.append(
                keras.Sequential([*blocks, NormReLU()], name=f"stage{i + 1}")
            )
            channels = filters
        return stages

    def further_stage(self):
        blocks = [
            PreActivationBlock(self.feature_dim)
            for _ in range((self.depth - 4) // 6)
        ]
        return keras.Sequential([*blocks, NormReLU()], name="further_stage")

    def get_config(self):
        return {
            "depth": self.depth,
            "width": self.width,
            **super().get_config(),
        }
