"""MobileNetV2 for small images: inverted residuals with linear bottlenecks."""

import keras

from keras_css.backbones.backbone import Backbone
from keras_css.backbones.units import ConvNorm

STEM_FILTERS = 32
LAST_FILTERS = 1280
# For each stage its rows of the paper's table 2: widening t, filters c,
# blocks n and stride s of the first.
STAGES = (
    ((1, 16, 1, 1), (6, 24, 2, 1)),
    ((6, 32, 3, 2),),
    ((6, 64, 4, 2), (6, 96, 3, 1)),
    ((6, 160, 3, 2), (6, 320, 1, 1)),
)


@keras.saving.register_keras_serializable(package="keras_css")
class InvertedResidual(keras.layers.Layer):
    """1x1 to t times the width, depthwise 3x3 (stride), 1x1 without ReLU.

    ReLU6 follows the first two. The input is added where it has the shape of
    the output.

    Args:
        channels: Width of the input.
        filters: Width of the output.
        widening: t; without the first convolution where it is 1.
        stride: 1 or 2.
    """

    def __init__(self, channels, filters, widening=6, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.filters = filters
        self.widening = widening
        self.stride = stride
        self.expand = None
        if widening != 1:
            self.expand = ConvNorm(channels * widening, 1, activation="relu6")
        self.depthwise = ConvNorm(None, stride=stride, activation="relu6")
        self.project = ConvNorm(filters, 1, activation=None)

    def call(self, features, training=None):
        x = features
        if self.expand is not None:
            x = self.expand(x, training=training)
        x = self.depthwise(x, training=training)
        x = self.project(x, training=training)
        same = self.stride == 1 and self.channels == self.filters
        return x + features if same else x

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "filters": self.filters,
            "widening": self.widening,
            "stride": self.stride,
        }


@keras.saving.register_keras_serializable(package="keras_css")
class CifarMobileNetV2(Backbone):
    """MobileNetV2, width 1 (Sandler 2018, arXiv 1801.04381), for 32x32 images.

    Layers and widths are the paper's. Of its five strides of 2, the stem's
    and that of the 24 filters are 1, as usual on CIFAR: 32x32 becomes 16x16
    at 32 filters, 8x8 at 64 and 96, and 4x4 at 160, 320 and 1280. The default
    split leaves the last resolution to the tail.

    Args:
        split: Stages in the trunk, the stem counted; 1 to 4.

    Raises:
        UserError: If the split is out of range.
    """

    feature_dim = LAST_FILTERS

    def __init__(self, split=4):
        super().__init__(split)

    def stages(self):
        stem = ConvNorm(STEM_FILTERS, activation="relu6", name="stem")
        stages, channels = [stem], STEM_FILTERS
        for i, rows in enumerate(STAGES):
            layers = []
            for widening, filters, blocks, first_stride in rows:
                for stride in [first_stride] + [1] * (blocks - 1):
                    layers.append(
                        InvertedResidual(channels, filters, widening, stride)
                    )
                    channels = filters
            if i == len(STAGES) - 1:
                layers.append(ConvNorm(LAST_FILTERS, 1, activation="relu6"))
            stages.append(keras.Sequential(layers, name=f"stage{i + 1}"))
        return stages

    def further_stage(self):
        # Narrowed first: six times 1280 channels would outweigh the network.
        width = STAGES[-1][-1][1]
        return keras.Sequential(
            [
                ConvNorm(width, 1, activation=None),
                InvertedResidual(width, width),
                ConvNorm(LAST_FILTERS, 1, activation="relu6"),
            ],
            name="further_stage",
        )
