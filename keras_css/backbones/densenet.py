"""DenseNets for small images: each layer sees all that came before it."""

import keras
from keras import ops

from keras_css.backbones.backbone import Backbone
from keras_css.backbones.residual import convolution
from keras_css.backbones.units import NormReLU
from keras_css.errors import UserError
from keras_css_runtime.settings import COUNT

STEM_FILTERS = 16
BLOCKS = 3


@keras.saving.register_keras_serializable(package="keras_css")
class DenseLayer(keras.layers.Layer):
    """BatchNorm, ReLU and a 3x3 convolution, put beside the input.

    Args:
        growth: Filters of the convolution.
    """

    def __init__(self, growth, **kwargs):
        super().__init__(**kwargs)
        self.growth = growth
        self.activate = NormReLU()
        self.conv = convolution(growth, 3, name="conv")

    def call(self, features, training=None):
        new = self.conv(self.activate(features, training=training))
        return ops.concatenate([features, new], axis=-1)

    def get_config(self):
        return {**super().get_config(), "growth": self.growth}


@keras.saving.register_keras_serializable(package="keras_css")
class DenseNet(Backbone):
    """DenseNet-d-k for small images (Huang 2017, arXiv 1608.06993).

    Neither bottlenecks nor compression nor dropout: a 3x3 stem of 16 filters
    and three dense blocks; between two of them BatchNorm, ReLU, a 1x1
    convolution that keeps the width, and 2x2 average pooling. BatchNorm and
    ReLU end a stage here, convolution and pooling begin the next one, so that
    branches see activations. The default split leaves the last dense block,
    and the pooling in front of it, to the tail.

    Args:
        depth: d = 3 n + 4, n layers in each block.
        growth: k, the filters of each layer.
        split: Stages in the trunk, the stem counted; 1 to 3.

    Raises:
        UserError: If an argument is out of range.
    """

    def __init__(self, depth, growth, split=3):
        COUNT.check("depth", depth)
        COUNT.check("growth", growth)
        if depth < 7 or depth % BLOCKS != 1:
            raise UserError(
                "The depth of a DenseNet must be 3 n + 4 (7, 10, 13, ...). "
                f"Received: depth={depth}"
            )
        self.depth = depth
        self.growth = growth
        super().__init__(split)

    @property
    def layers_per_block(self):
        """n."""
        return (self.depth - 4) // BLOCKS

    @property
    def feature_dim(self):
        """Width D of the pooled features."""
        return self._width_after(BLOCKS)

    def _width_after(self, blocks):
        return STEM_FILTERS + blocks * self.layers_per_block * self.growth

    def stages(self):
        stem = keras.Sequential([convolution(STEM_FILTERS, 3)], name="stem")
        stages = [stem]
        for i in range(BLOCKS):
            layers = []
            if i > 0:
                layers = [
                    convolution(self._width_after(i), 1),
                    keras.layers.AveragePooling2D(
                        2, data_format="channels_last"
                    ),
                ]
            for _ in range(self.layers_per_block):
                layers.append(DenseLayer(self.growth))
            layers.append(NormReLU())
            stages.append(keras.Sequential(layers, name=f"stage{i + 1}"))
        return stages

    def further_stage(self):
        layers = [convolution(self.feature_dim, 1)]
        for _ in range(self.layers_per_block):
            layers.append(DenseLayer(self.growth))
        return keras.Sequential([*layers, NormReLU()], name="further_stage")

    def get_config(self):
        return {
            "depth": self.depth,
            "growth": self.growth,
            **super().get_config(),
        }
