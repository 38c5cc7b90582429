"""SwitOKD: a stronger partner waits while its student falls behind.

Switchable Online Knowledge Distillation (Qian et al. 2022, arXiv 2209.04996).
"""

import keras
from keras import ops

from keras_css.methods.dml import DML
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import label_distribution


@keras.saving.register_keras_serializable(package="keras_css")
class SwitOKD(DML):
    """`network_a` is the student s; every further network is a partner t.

        L = L_s + sum over partners of held(t) ? 0 : L_t,  each L_i as in DML
        d_i = |p_i - y|,  G = |p_s - p_t|, L1 norms, means over the batch
        epsilon = exp(-d_t / (d_t + d_s)),  delta = d_s - epsilon d_t
        held(t) = G > delta and d_t < d_s, anew in every step

    The probabilities p are those at T = 1. A partner that is held back goes on
    teaching, but its terms do not count in that step: no gradient reaches it.
    Momentum and weight decay still move it, and BatchNorm its statistics,
    while in the released code its optimizer takes no step. `network_b/learns`
    is 0 where it is held back, over an epoch the share of steps it learned in.

    Args:
        temperature: T of the teaching, 1 in the released code.
        ramp_up_epochs: E of w(e), the weight of teaching; 0 for 1.
    """

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        terms = super().compute_losses(
            outputs, labels, sample_weight, epoch, training
        )
        logits = {n: output["logits"][:, :, 0] for n, output in outputs.items()}
        learns = who_learns(logits, labels, sample_weight)
        weight = self.ramp_up(epoch)
        total = 0.0
        for name in logits:
            own = terms[f"{name}/ce"] + weight * terms[f"{name}/kd"]
            total = total + learns.get(name, 1.0) * own
        flags = {f"{name}/learns": value for name, value in learns.items()}
        return {**terms, **flags, "loss": total}


def who_learns(logits, labels, sample_weight=None):
    """Returns dict from each partner to 1.0, or 0.0 where it is held back.

    Args:
        logits: Dict from name to `(B, C)`, the student first.
        labels: Integer tensor `(B,)`, or a distribution `(B, C)`.
        sample_weight: As in `batch_mean`.
    """
    p = {
        name: ops.stop_gradient(ops.softmax(z, axis=1))
        for name, z in logits.items()
    }
    student, *partners = p
    dtype = keras.backend.standardize_dtype(p[student].dtype)
    y = label_distribution(labels, p[student].shape[1], dtype)

    def distance(one, other):
        gap = ops.sum(ops.abs(one - other), axis=1)
        return batch_mean(gap, sample_weight)

    found = {}
    of_student = distance(p[student], y)
    for name in partners:
        own = distance(p[name], y)
        epsilon = ops.exp(-own / (own + of_student))
        held = ops.logical_and(
            distance(p[student], p[name]) > of_student - epsilon * own,
            own < of_student,
        )
        found[name] = 1.0 - ops.cast(held, dtype)
    return found
