"""CS-KD: two images of a class agree, within one network.

Regularizing Class-wise Predictions via Self-knowledge Distillation (Yun et
al. 2020, arXiv 2003.13964).
"""

import keras
from keras import ops

from keras_css.methods.distillation import Distillation
from keras_css.methods.distillation import check_plain
from keras_css.methods.losses import hard_labels
from keras_css_runtime.settings import NOT_NEGATIVE


@keras.saving.register_keras_serializable(package="keras_css")
class CSKD(Distillation):
    """Every image is taught by the next one of its class in the batch.

        L = sum over networks of CE(z) + weight T^2 KL(z of the partner || z)

    Targets are detached. The last image of a class has the first one as its
    partner; an image that is alone learns from its label only. So batches
    should hold pairs: those of a run do, `TrainingBatches(paired=True)`. In
    the released code the second image of a pair only teaches.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e), a further weight of the second term; 0
            for 1.
        weight: Of the second term.
    """

    cohort_size = 1
    class_pairs = True

    rules = {"weight": NOT_NEGATIVE}

    def __init__(self, temperature=4.0, ramp_up_epochs=0, weight=1.0, **kwargs):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        self.weight = weight

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=1, most=1)

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        weight = self.weight * self.ramp_up(epoch)
        partner = partners(hard_labels(labels))
        terms, total = {}, 0.0
        for name, output in outputs.items():
            z = output["logits"]
            ce = self.supervised(z, labels, sample_weight)
            target = ops.take(z, partner, axis=0)
            kd = self.taught(target, z, sample_weight)
            terms |= {f"{name}/ce": ce, f"{name}/kd": kd}
            total = total + ce + weight * kd
        return {**terms, "loss": total}

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


def partners(labels):
    """Returns the place of the next image of the same class, `(B,)`.

    The batch is a ring; what has no other image is its own partner.

    Args:
        labels: Integer tensor `(B,)`.
    """
    count = ops.shape(labels)[0]
    places = ops.arange(count, dtype="int32")
    # 0 for the next place, count - 1 for the image itself.
    ahead = ops.mod(places[None, :] - places[:, None] - 1, count)
    alike = ops.equal(labels[:, None], labels[None, :])
    return ops.argmin(ops.where(alike, ahead, count), axis=1)
