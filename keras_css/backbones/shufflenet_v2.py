"""ShuffleNetV2 for small images: halves of the channels, then a shuffle."""

import keras
from keras import ops

from keras_css.backbones.backbone import Backbone
from keras_css.backbones.units import ConvNorm

STEM_FILTERS = 24
STAGE_FILTERS = (116, 232, 464)
STAGE_BLOCKS = (4, 8, 4)
LAST_FILTERS = 1024


def shuffled(first, second):
    """Returns the channels of two `(B, h, w, c)` in turns, `(B, h, w, 2 c)`."""
    height, width, channels = ops.shape(first)[1:]
    both = ops.stack([first, second], axis=-1)
    return ops.reshape(both, (-1, height, width, 2 * channels))


@keras.saving.register_keras_serializable(package="keras_css")
class ShuffleUnit(keras.layers.Layer):
    """1x1, depthwise 3x3 (stride), 1x1 of one half beside the other half.

    At stride 1 half of the channels goes through the convolutions and half
    stays. At stride 2 all channels go both ways: through the convolutions and
    through a depthwise 3x3 and a 1x1. ReLU follows each 1x1 convolution.

    Args:
        filters: Width of the output, both halves together.
        stride: 1, for `filters` channels, or 2, for any number.
    """

    def __init__(self, filters, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride
        half = filters // 2
        self.conv1 = ConvNorm(half, 1)
        self.conv2 = ConvNorm(None, stride=stride, activation=None)
        self.conv3 = ConvNorm(half, 1)
        self.other_conv1 = self.other_conv2 = None
        if stride != 1:
            self.other_conv1 = ConvNorm(None, stride=stride, activation=None)
            self.other_conv2 = ConvNorm(half, 1)

    def call(self, features, training=None):
        if self.stride == 1:
            other, x = ops.split(features, 2, axis=-1)
        else:
            x = features
            other = self.other_conv1(features, training=training)
            other = self.other_conv2(other, training=training)
        x = self.conv1(x, training=training)
        x = self.conv2(x, training=training)
        return shuffled(other, self.conv3(x, training=training))

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "stride": self.stride,
        }


@keras.saving.register_keras_serializable(package="keras_css")
class CifarShuffleNetV2(Backbone):
    """ShuffleNetV2 1x (Ma 2018, arXiv 1807.11164) for 32x32 images.

    Layers and widths are the paper's; its stem has stride 1 and no max
    pooling, as usual on CIFAR. Each of the three stages halves the images:
    32x32 becomes 4x4. The default split leaves the last stage and the 1x1
    convolution of 1024 filters to the tail.

    Args:
        split: Stages in the trunk, the stem counted; 1 to 3.

    Raises:
        UserError: If the split is out of range.
    """

    feature_dim = LAST_FILTERS

    def __init__(self, split=3):
        super().__init__(split)

    def stages(self):
        stages = [ConvNorm(STEM_FILTERS, name="stem")]
        for i, (filters, count) in enumerate(zip(STAGE_FILTERS, STAGE_BLOCKS)):
            layers = [ShuffleUnit(filters, stride=2)]
            layers += [ShuffleUnit(filters) for _ in range(count - 1)]
            if i == len(STAGE_FILTERS) - 1:
                layers.append(ConvNorm(LAST_FILTERS, 1))
            stages.append(keras.Sequential(layers, name=f"stage{i + 1}"))
        return stages

    def further_stage(self):
        width = STAGE_FILTERS[-1]
        units = [ShuffleUnit(width) for _ in range(STAGE_BLOCKS[-1])]
        return keras.Sequential(
            [ConvNorm(width, 1), *units, ConvNorm(LAST_FILTERS, 1)],
            name="further_stage",
        )
