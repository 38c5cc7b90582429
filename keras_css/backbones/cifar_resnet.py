"""CIFAR ResNets: a 3x3 stem of 16 filters and stages of 16, 32 and 64."""

import keras

from keras_css.backbones.backbone import Backbone
from keras_css.backbones.residual import BLOCKS
from keras_css.backbones.residual import Stem
from keras_css.backbones.residual import check_blocks
from keras_css.backbones.residual import further_residual_stage
from keras_css.backbones.residual import residual_stages
from keras_css.errors import UserError
from keras_css_runtime.settings import COUNT

STEM_FILTERS = 16
STAGE_FILTERS = (16, 32, 64)


@keras.saving.register_keras_serializable(package="keras_css")
class CifarResNet(Backbone):
    """ResNet for small images, any size and channel count.

    Stage 1 keeps the resolution, stages 2 and 3 halve it; global average
    pooling ends the tail. The default split leaves the last stage to the
    tail, as in the released CSS code.

    Args:
        block: `"basic"` (two 3x3) or `"bottleneck"` (1x1, 3x3, 1x1, output
            4 times wider).
        blocks: Blocks of the three stages, for example `(3, 3, 3)`.
        inner_width: Multiplier of the bottleneck's inner width (WRN: 8).
        split: Stages in the trunk, the stem counted; 1 to 3.

    Raises:
        UserError: If an argument is out of range.
    """

    def __init__(self, block, blocks, inner_width=1, split=3):
        check_blocks(block, blocks, len(STAGE_FILTERS))
        COUNT.check("inner_width", inner_width)
        if inner_width != 1 and block == "basic":
            raise UserError(
                "inner_width applies to bottleneck blocks only. "
                f"Received: block={block!r}, inner_width={inner_width}"
            )
        self.block = block
        self.blocks = tuple(int(count) for count in blocks)
        self.inner_width = inner_width
        super().__init__(split)

    @property
    def feature_dim(self):
        """Width D of the pooled features."""
        return STAGE_FILTERS[-1] * BLOCKS[self.block].expansion

    def stages(self):
        return [
            Stem(STEM_FILTERS, name="stem"),
            *residual_stages(
                *(self.block, STEM_FILTERS, STAGE_FILTERS, self.blocks),
                **self._options,
            ),
        ]

    def further_stage(self):
        return further_residual_stage(
            self.block, STAGE_FILTERS[-1], self.blocks[-1], **self._options
        )

    @property
    def _options(self):
        if self.block == "bottleneck":
            return {"inner_width": self.inner_width}
        return {}

    def get_config(self):
        return {
            "block": self.block,
            "blocks": list(self.blocks),
            "inner_width": self.inner_width,
            **super().get_config(),
        }
