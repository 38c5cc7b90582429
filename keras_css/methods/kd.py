"""KD: a trained teacher's softened predictions beside the labels.

Distilling the Knowledge in a Neural Network (Hinton et al. 2015, arXiv
1503.02531).
"""

import keras

from keras_css.methods.distillation import Distillation
from keras_css.methods.distillation import check_plain
from keras_css.methods.from_teachers import TEACHERS
from keras_css.methods.from_teachers import of_network
from keras_css_runtime.settings import NOT_NEGATIVE


@keras.saving.register_keras_serializable(package="keras_css")
class KD(Distillation):
    """Every network learns from labels and finished teachers alone.

        L = sum over networks of
            ce_weight CE(z) + kd_weight w(e) T^2 KL(teacher || z)

    A mean over teachers. The weights and T are those of later work on CIFAR.
    Without a teacher, as where a cohort was loaded to be measured, the second
    term is 0.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e); 0 for 1.
        ce_weight: Of the cross-entropy.
        kd_weight: Of what teachers teach.
    """

    cohort_size = 1
    wants_teacher = True
    rules = {"ce_weight": NOT_NEGATIVE, "kd_weight": NOT_NEGATIVE}

    def __init__(
        self,
        temperature=4.0,
        ramp_up_epochs=0,
        ce_weight=0.1,
        kd_weight=0.9,
        **kwargs,
    ):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        self.ce_weight = ce_weight
        self.kd_weight = kd_weight

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=1, most=1)

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        weight = self.kd_weight * self.ramp_up(epoch)
        said = outputs.get(TEACHERS)
        terms, total = {}, 0.0
        for name in self.branch_counts:
            z = outputs[name]["logits"]
            ce = self.supervised(z, labels, sample_weight)
            # Of nobody but itself there is nothing to learn.
            target = z if said is None else of_network(said, name)[:, :, 0]
            target = keras.ops.cast(target, z.dtype)
            kd = self.learned(target, z, labels, sample_weight)
            terms |= {f"{name}/ce": ce, f"{name}/kd": kd}
            total = total + self.ce_weight * ce + weight * kd
        return {**terms, "loss": total}

    def learned(self, target, logits, labels, sample_weight):
        """Returns what a network learns from teachers, a scalar.

        Args:
            target: Logits of t teachers, `(B, C, t)`.
            logits: Of the network, `(B, C, 1)`.
            labels, sample_weight: As of `compute_losses`.
        """
        return self.taught(target, logits, sample_weight)

    def get_config(self):
        return {
            **super().get_config(),
            "ce_weight": self.ce_weight,
            "kd_weight": self.kd_weight,
        }
