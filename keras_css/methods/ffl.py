"""FFL: a fused classifier and its branches teach each other.

Feature Fusion for Online Mutual Knowledge Distillation (Kim et al. 2019, arXiv
1904.09058).
"""

import keras
from keras import ops

from keras_css.backbones.batch_norm import BatchNorm
from keras_css.errors import UserError
from keras_css.means import mean
from keras_css.methods.distillation import PLAIN_BRANCHES
from keras_css.methods.distillation import RampedDistillation
from keras_css.methods.distillation import check_plain
from keras_css.methods.losses import plain_cross_entropy
from keras_css.networks.head import LinearHead


@keras.saving.register_keras_serializable(package="keras_css")
class FFL(RampedDistillation):
    """A fusion of the branches' last feature maps teaches and is taught.

        fusion: concatenate -> depthwise 3x3 -> BN -> ReLU -> 1x1 -> BN
                -> ReLU -> average pooling -> linear
        L = sum_i CE_i + CE(f)
            + w(e) T^2 [sum_i KL(f || z_i) + KL(mean of z_i || f)]

    Targets are detached. The fusion is as wide as one branch; it is measured
    as `fused` and cannot be cut out: what ships is a branch. The paper has two
    branches. Several networks train side by side, each by itself.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e); None for 80 of 300 of the run.

    Raises:
        UserError: If a tail does not end with global average pooling.
    """

    cohort_size = 1
    network_defaults = {**PLAIN_BRANCHES, "num_branches": 2}

    def __init__(self, temperature=3.0, ramp_up_epochs=None, **kwargs):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        self.fusions = []

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=2)
        for name, network in networks.items():
            tail = network.tails[0]
            staged = isinstance(tail, keras.Sequential)
            last = tail.layers[-1] if staged else None
            if not isinstance(last, keras.layers.GlobalAveragePooling2D):
                raise UserError(
                    "FFL fuses feature maps before the last pooling: tails "
                    "must be Sequential and end with GlobalAveragePooling2D, "
                    f"received {type(tail).__name__} in {name}."
                )
        self.fusions = [
            fusion(network.backbone.feature_dim, self.num_classes)
            for network in networks.values()
        ]

    def call_networks(self, networks, views, training=None):
        outputs = {}
        for (name, network), fuse in zip(networks.items(), self.fusions):
            shared = network.shared(views[name], training)
            maps, features = [], []
            for i, tail in enumerate(network.tails):
                *stages, pool = tail.layers
                x = network.seen(shared, i)
                for stage in stages:
                    x = stage(x, training=training)
                maps.append(x)
                features.append(pool(x))
            output = network.outputs_of(features)
            fused = fuse(ops.concatenate(maps, axis=-1), training=training)
            fused = ops.cast(fused, output["logits"].dtype)
            outputs[name] = {**output, "fused": fused}
        return outputs

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        weight = self.ramp_up(epoch)
        terms, total = {}, 0.0
        for name, output in outputs.items():
            z, fused = output["logits"], output["fused"]
            n = z.shape[2]
            ce = self.supervised(z, labels, sample_weight)
            ce_fused = plain_cross_entropy(fused, labels, sample_weight)
            kd = n * self.taught(fused, z, sample_weight)
            kd_fused = self.taught(mean(z, axis=2), fused, sample_weight)
            terms |= {
                f"{name}/ce": ce,
                f"{name}/ce_fused": ce_fused,
                f"{name}/kd": kd,
                f"{name}/kd_fused": kd_fused,
            }
            total = total + ce + ce_fused + weight * (kd + kd_fused)
        return {**terms, "loss": total}

    def students(self, outputs):
        fused = {
            name.replace("network", "fused"): output["fused"]
            for name, output in outputs.items()
        }
        return {**super().students(outputs), **fused}


def fusion(width, num_classes):
    """Returns the fusion module: maps `(B, h, w, n D)` -> logits `(B, C)`."""
    options = {"use_bias": False, "data_format": "channels_last"}
    return keras.Sequential(
        [
            keras.layers.DepthwiseConv2D(3, padding="same", **options),
            BatchNorm(),
            keras.layers.ReLU(),
            keras.layers.Conv2D(width, 1, **options),
            BatchNorm(),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(data_format="channels_last"),
            LinearHead(num_classes),
        ]
    )
