"""ImageNet ResNets: a 7x7 stem with pooling, stages of 64 to 512 filters."""

import keras

from keras_css.backbones.backbone import Backbone
from keras_css.backbones.batch_norm import BatchNorm
from keras_css.backbones.kernels import conv_norm
from keras_css.backbones.residual import BLOCKS
from keras_css.backbones.residual import check_blocks
from keras_css.backbones.residual import convolution
from keras_css.backbones.residual import further_residual_stage
from keras_css.backbones.residual import residual_stages

STEM_FILTERS = 64
STAGE_FILTERS = (64, 128, 256, 512)


@keras.saving.register_keras_serializable(package="keras_css")
class PooledStem(keras.layers.Layer):
    """7x7 convolution of stride 2, BatchNorm, ReLU, 3x3 max pooling of 2.

    A quarter of the resolution is left.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        layers = keras.layers
        self.pad3 = layers.ZeroPadding2D(3, data_format="channels_last")
        self.conv1 = convolution(filters, 7, 2, name="conv1")
        self.bn1 = BatchNorm(name="bn1")
        # Zeros are no more than what ReLU leaves.
        self.pad1 = layers.ZeroPadding2D(1, data_format="channels_last")
        self.pool = layers.MaxPooling2D(3, 2, data_format="channels_last")

    def call(self, images, training=None):
        x = conv_norm(
            images, self.conv1, self.bn1, self.pad3, training=training
        )
        return self.pool(self.pad1(x))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="keras_css")
class ImageNetResNet(Backbone):
    """ResNet for images of 64 pixels and more (He 2016, arXiv 1512.03385).

    Stem and first stage leave a quarter of the resolution, each further stage
    halves it; the stride of a bottleneck lies in its 3x3 convolution, as in
    torchvision. The default split leaves the last stage to the tail.

    Args:
        block: `"basic"` or `"bottleneck"`.
        blocks: Blocks of the four stages, for example `(2, 2, 2, 2)`.
        split: Stages in the trunk, the stem counted; 1 to 4.

    Raises:
        UserError: If an argument is out of range.
    """

    def __init__(self, block, blocks, split=4):
        check_blocks(block, blocks, len(STAGE_FILTERS))
        self.block = block
        self.blocks = tuple(int(count) for count in blocks)
        super().__init__(split)

    @property
    def feature_dim(self):
        """Width D of the pooled features."""
        return STAGE_FILTERS[-1] * BLOCKS[self.block].expansion

    def stages(self):
        return [
            PooledStem(STEM_FILTERS, name="stem"),
            *residual_stages(
                self.block, STEM_FILTERS, STAGE_FILTERS, self.blocks
            ),
        ]

    def further_stage(self):
        return further_residual_stage(
            self.block, STAGE_FILTERS[-1], self.blocks[-1]
        )

    def get_config(self):
        return {
            "block": self.block,
            "blocks": list(self.blocks),
            **super().get_config(),
        }
