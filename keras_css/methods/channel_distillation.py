"""Channel Distillation: a teacher's spatial means, stage by stage.

Channel Distillation: Channel-Wise Attention for Knowledge Distillation (Zhou
et al. 2020, arXiv 2006.01683), and the code its authors released.
"""

import keras
from keras import ops

from keras_css.backbones.batch_norm import BatchNorm
from keras_css.backbones.residual import convolution
from keras_css.errors import UserError
from keras_css.means import mean
from keras_css.methods.distillation import share_of
from keras_css.methods.from_teachers import TEACHERS
from keras_css.methods.from_teachers import asked_once
from keras_css.methods.inside import InsideDistillation
from keras_css.methods.inside import kept_mean
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import hard_labels
from keras_css.networks.stages import pooled
from keras_css.networks.stages import stage_outputs
from keras_css.teachers.inside import OpenTeacher
from keras_css_runtime.settings import NOT_NEGATIVE
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import Number

# The 200 epochs published for CIFAR-100, and when the weights change there.
EPOCHS, ALONE, DECAYS = 200, 60, (60, 160)
PUBLISHED = "published"


@keras.saving.register_keras_serializable(package="keras_css")
class ChannelDistillation(InsideDistillation):
    """Each stage's channels learn what the teacher's are on average.

        L = sum over networks of a(e) CE(z) + w(e) [b(e) GKD + c(e) CD]
        CD  = sum over stages of mean over images and channels of (u - t)^2
        GKD = T^2 mean of KL(teacher || z) over the images whose class the
              teacher gets right, 0 if there are none

    t are the spatial means of the teacher's map at the end of a stage, u those
    of the network's own behind a connector: a 1x1 convolution to the teacher's
    channels, BatchNorm and ReLU, there even where the channels agree. The stem
    is no stage. Connectors train with the network and never ship. In epoch e,
    counted from 1,

        a, b = ce_weight, kd_weight; 0 up to epoch `alone_epochs`
        c = cd_weight * cd_decay^(how many of `decay_at` are not above e)

    which is what the released code does on CIFAR-100 ("EDT"); the paper has
    the decay only, `alone_epochs=0`. For ImageNet it has kd_weight 1,
    alone_epochs 30 and decay_at "30,60,90". Where nothing is said, 60 and 160
    are taken as shares of 200 of the training's epochs.

    Args:
        temperature: T.
        ce_weight: Of the cross-entropy.
        kd_weight: Of GKD.
        cd_weight: Of CD at the beginning.
        cd_decay: What it is multiplied by.
        decay_at: In which epochs, as text such as "60,160"; "" for never,
            "published" for those shares.
        alone_epochs: In the first so many the channels teach alone; None for
            that share.
        batch_statistics: Whether the teacher's BatchNorm normalises with the
            statistics of each training batch, as released; by default it is
            in inference form, as all teachers here.
        teacher_layers: Names of the teacher's layers, parted by commas, one a
            stage of the networks; "" for the ends of its stages.
        **kwargs: Of `Distillation`: the ramps of w(e), 1 by default.

    Raises:
        UserError: If an argument is out of range, or the teacher's layers are
            not as many as the networks' stages.
    """

    rules = {
        "cd_weight": NOT_NEGATIVE,
        "cd_decay": NOT_NEGATIVE,
        "alone_epochs": Number(0, optional=True),
        "batch_statistics": Flag(),
    }

    def __init__(
        self,
        temperature=1.0,
        ce_weight=1.0,
        kd_weight=0.1,
        cd_weight=6.0,
        cd_decay=0.9,
        decay_at=PUBLISHED,
        alone_epochs=None,
        batch_statistics=False,
        **kwargs,
    ):
        super().__init__(temperature, ce_weight, kd_weight, **kwargs)
        self.cd_weight = cd_weight
        self.cd_decay = cd_decay
        self.decay_at = decay_at
        self.decays = None if decay_at == PUBLISHED else _epochs(decay_at)
        self.alone_epochs = alone_epochs
        self.batch_statistics = batch_statistics
        self.stages = {}
        self.connectors = []

    @classmethod
    def run_options(cls, epochs):
        alone, decays = published(epochs)
        return {
            "alone_epochs": alone,
            "decay_at": ",".join(map(str, decays)),
        }

    @property
    def counts_epochs(self):
        unsaid = self.alone_epochs is None or self.decays is None
        return super().counts_epochs or unsaid

    def look_at(self, networks):
        self.stages = {
            name: len(network.backbone.stages()) - 1
            for name, network in networks.items()
        }

    def open_teacher(self, teacher, layers):
        return OpenTeacher(teacher, layers, self.batch_statistics)

    def join(self, widths):
        for name, count in self.stages.items():
            if count != len(widths):
                raise UserError(
                    "ChannelDistillation pairs stages: the teacher must have "
                    f"the {count} of {name}, received {len(widths)}: name "
                    f"{count} of its layers, --method_option teacher_layers="
                    "NAME,NAME."
                )
        self.connectors = [
            keras.Sequential(
                [convolution(width, 1), BatchNorm(), keras.layers.ReLU()]
            )
            for _ in self.stages
            for width in widths
        ]

    def call_networks(self, networks, views, training=None):
        outputs, connectors = {}, iter(self.connectors)
        for name, network in networks.items():
            maps = stage_outputs(network, views[name], training)
            output = network.outputs_of([pooled(network, maps[-1])])
            own = zip(maps[1:], connectors) if self.connectors else ()
            outputs[name] = {
                **output,
                **{
                    f"stage_{i}": mean(join(x, training=training), (1, 2))
                    for i, (x, join) in enumerate(own, 1)
                },
            }
        return outputs

    def ask_teachers(self, teachers, views, training):
        return asked_once(lambda x: teachers[0].look(x, training), views)

    def weights_in(self, epoch, dtype="float32"):
        """Returns a, b and c in an epoch.

        Args:
            epoch: Float scalar, 0 in the first epoch.
            dtype: Of the result.
        """
        e = ops.cast(epoch, dtype) + 1.0
        alone, decays = published(self.all_epochs)
        if self.alone_epochs is not None:
            alone = self.alone_epochs
        if self.decays is not None:
            decays = self.decays
        labels_too = ops.cast(e > alone, dtype)
        c = ops.cast(self.cd_weight, dtype)
        for first in decays:
            c = c * (1.0 - (1.0 - self.cd_decay) * ops.cast(e >= first, dtype))
        return self.ce_weight * labels_too, self.kd_weight * labels_too, c

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        ramp = self.ramp_up(epoch)
        said = outputs.get(TEACHERS)
        terms, total = {}, 0.0
        for name in self.branch_counts:
            z = outputs[name]["logits"]
            ce = self.supervised(z, labels, sample_weight)
            gkd = cd = ops.zeros((), z.dtype)
            if said is not None:
                target, maps = said[name]
                target = ops.cast(target, z.dtype)
                right = ops.equal(ops.argmax(target, 1), hard_labels(labels))
                kl = self.divergence(target, z[:, :, 0])
                gkd = kept_mean(kl, right, sample_weight)
                gkd = self.temperature**2 * gkd
                for i, t in enumerate(maps, 1):
                    u = outputs[name][f"stage_{i}"]
                    error = ops.square(u - ops.cast(t, u.dtype))
                    cd = cd + batch_mean(error, sample_weight)
            a, b, c = self.weights_in(epoch, z.dtype)
            terms |= {
                f"{name}/ce": ce,
                f"{name}/gkd": gkd,
                f"{name}/channels": cd,
            }
            total = total + a * ce + ramp * (b * gkd + c * cd)
        return {**terms, "loss": total}

    def get_config(self):
        return {
            **super().get_config(),
            "cd_weight": self.cd_weight,
            "cd_decay": self.cd_decay,
            "decay_at": self.decay_at,
            "alone_epochs": self.alone_epochs,
            "batch_statistics": self.batch_statistics,
        }


def published(epochs):
    """Returns `alone_epochs` and the decays of a training of so many epochs."""
    decays = [share_of(first / EPOCHS, epochs) for first in DECAYS]
    return round(ALONE / EPOCHS * epochs), decays


def _epochs(text):
    """Returns the epochs, counted from 1, that a text names."""
    try:
        return [int(one) for one in text.split(",") if one.strip()]
    except (AttributeError, ValueError):
        raise UserError(
            "decay_at must be epochs, such as 60,160, or empty, received "
            f"{text!r}."
        ) from None
