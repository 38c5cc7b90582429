"""VGG for small images: 3x3 convolutions, max pooling, one classifier."""

import keras

from keras_css.backbones.backbone import Backbone
from keras_css.backbones.units import ConvNorm
from keras_css.errors import UserError
from keras_css_runtime.settings import COUNT

STAGE_FILTERS = (64, 128, 256, 512, 512)
# Of the five, those that begin with max pooling.
POOLED = (1, 2, 3)


@keras.saving.register_keras_serializable(package="keras_css")
class VGG(Backbone):
    """VGG with BatchNorm (Simonyan 2015, arXiv 1409.1556) for 32x32 images.

    The form of the distillation literature (CRD, arXiv 1910.10699, and its
    code): the fully connected layers make way for global average pooling and
    one linear classifier, and the images are halved three times, not five:
    32x32 becomes 4x4 in the last two stages. Convolutions have no bias here,
    which BatchNorm would take out again. The default split leaves the last
    stage to the tail.

    Args:
        blocks: Convolutions of the five stages: `(2, 2, 2, 2, 2)` is VGG-13.
        split: Stages in the trunk, 1 to 4.

    Raises:
        UserError: If an argument is out of range.
    """

    feature_dim = STAGE_FILTERS[-1]

    def __init__(self, blocks, split=4):
        if len(blocks) != len(STAGE_FILTERS) or not all(
            map(COUNT.takes, blocks)
        ):
            raise UserError(
                f"blocks must be {len(STAGE_FILTERS)} counts of at least 1. "
                f"Received: blocks={blocks!r}"
            )
        self.blocks = tuple(int(count) for count in blocks)
        super().__init__(split)

    def stages(self):
        stages = []
        for i, (filters, count) in enumerate(zip(STAGE_FILTERS, self.blocks)):
            layers = [ConvNorm(filters) for _ in range(count)]
            if i in POOLED:
                pool = keras.layers.MaxPooling2D(2, data_format="channels_last")
                layers = [pool, *layers]
            stages.append(keras.Sequential(layers, name=f"stage{i + 1}"))
        return stages

    def further_stage(self):
        # The last one neither pools nor widens.
        return self.stages()[-1]

    def get_config(self):
        return {"blocks": list(self.blocks), **super().get_config()}
