"""DKD: what teachers say of the true class, apart from all other classes.

Decoupled Knowledge Distillation (Zhao et al. 2022, arXiv 2203.08679).
"""

import keras
from keras import ops

from keras_css.methods.distillation import share_of
from keras_css.methods.kd import KD
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import hard_labels
from keras_css.methods.losses import kl_divergence
from keras_css.methods.losses import label_distribution
from keras_css_runtime.settings import NOT_NEGATIVE

# A logit whose probability is 0.
NOTHING = -1e4


@keras.saving.register_keras_serializable(package="keras_css")
class DKD(KD):
    """KD in two parts, so that the other classes count however sure it is.

        L = sum over networks of ce_weight CE(z) + kd_weight w(e) T^2 [
            alpha KL((p_y, 1 - p_y) of teacher || of z)
            + beta KL(p_k / (1 - p_y), k != y, of teacher || of z)]

    p are probabilities at T, y the label, of a distribution the likeliest
    class; a mean over teachers. In KD itself alpha is 1 and beta 1 - p_y of
    the teacher. The paper's beta is 8 for many pairs, from 1 to 8; it lets
    teaching set in over 20 of 240 epochs, linearly.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e); None for 20 of 240 of the training.
        ce_weight: Of the cross-entropy.
        kd_weight: Of what teachers teach.
        alpha: Of the true class against all others.
        beta: Of the others among each other.
    """

    ramp_up_share = 20 / 240
    rules = {"alpha": NOT_NEGATIVE, "beta": NOT_NEGATIVE}

    def __init__(
        self,
        temperature=4.0,
        ramp_up_epochs=None,
        ce_weight=1.0,
        kd_weight=1.0,
        alpha=1.0,
        beta=8.0,
        **kwargs,
    ):
        super().__init__(
            temperature, ramp_up_epochs, ce_weight, kd_weight, **kwargs
        )
        self.alpha = alpha
        self.beta = beta

    @classmethod
    def run_options(cls, epochs):
        return {"ramp_up_epochs": share_of(cls.ramp_up_share, epochs)}

    def learned(self, target, logits, labels, sample_weight):
        rows = label_distribution(hard_labels(labels), self.num_classes)
        true = rows[:, :, None] > 0.5
        target = ops.stop_gradient(target)
        of_teacher, of_network = (
            parted(self.compared(z) / self.temperature, true)
            for z in (target, logits)
        )
        kl = [kl_divergence(q, p, 1.0) for q, p in zip(of_teacher, of_network)]
        both = self.alpha * kl[0] + self.beta * kl[1]
        return self.temperature**2 * batch_mean(both, sample_weight)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


def parted(logits, true):
    """Returns logits of (the true class, the others) and of the others alone.

    Args:
        logits: Tensor `(B, C, t)`.
        true: Booleans `(B, C, 1)`, one true in each row.

    Returns:
        `(B, 2, t)` and `(B, C, t)`, in which the true class has no share.
    """
    others = ops.where(true, NOTHING, logits)
    own = ops.sum(ops.where(true, logits, 0.0), axis=1, keepdims=True)
    rest = ops.logsumexp(others, axis=1, keepdims=True)
    return ops.concatenate([own, rest], axis=1), others
