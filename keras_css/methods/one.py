"""ONE: a gate over the branches is their teacher.

Knowledge Distillation by On-the-Fly Native Ensemble (Lan et al. 2018, arXiv
1806.04606).
"""

import keras
from keras import ops

from keras_css.backbones.batch_norm import BatchNorm
from keras_css.means import mean
from keras_css.methods.distillation import PLAIN_BRANCHES
from keras_css.methods.distillation import RampedDistillation
from keras_css.methods.distillation import check_plain
from keras_css.methods.losses import plain_cross_entropy
from keras_css.networks.head import LinearHead
from keras_css_runtime.settings import FRACTION


@keras.saving.register_keras_serializable(package="keras_css")
class ONE(RampedDistillation):
    """The n branches of a network are taught by their gated sum.

        g = softmax(ReLU(BN(Linear(average pooling of the trunk))))
        teacher = sum_i g_i z_i
        L = sum_i CE_i + CE(teacher) + w(e) T^2 sum_i KL(teacher || z_i)

    The teacher is detached in the last term. It is measured as `gated` and
    cannot be cut out: what ships is a branch. Several networks train side by
    side, each with a gate of its own.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e); None for 80 of 300 of the run.
        target_epsilon: Added to the teacher's probabilities inside the
            divergence, 1e-7 in the released code.
    """

    cohort_size = 1
    network_defaults = PLAIN_BRANCHES

    rules = {"target_epsilon": FRACTION}

    def __init__(
        self, temperature=3.0, ramp_up_epochs=None, target_epsilon=0.0, **kwargs
    ):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        self.target_epsilon = target_epsilon
        self.gates = []

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks)
        self.gates = [
            keras.Sequential(
                [LinearHead(n.num_branches), BatchNorm(), keras.layers.ReLU()],
                name=f"{name}_gate",
            )
            for name, n in networks.items()
        ]

    def call_networks(self, networks, views, training=None):
        outputs = {}
        for (name, network), gate in zip(networks.items(), self.gates):
            shared = network.shared(views[name], training)
            output = network.branches(shared, training)
            scores = gate(mean(shared, axis=(1, 2)), training=training)
            weights = ops.cast(
                ops.softmax(scores, axis=-1), output["logits"].dtype
            )
            teacher = ops.sum(weights[:, None, :] * output["logits"], axis=-1)
            outputs[name] = {**output, "teacher": teacher}
        return outputs

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        weight = self.ramp_up(epoch)
        terms, total = {}, 0.0
        for name, output in outputs.items():
            z, teacher = output["logits"], output["teacher"]
            n = z.shape[2]
            ce = self.supervised(z, labels, sample_weight)
            ce_teacher = plain_cross_entropy(teacher, labels, sample_weight)
            kd = n * self.taught(teacher, z, sample_weight, self.target_epsilon)
            terms |= {
                f"{name}/ce": ce,
                f"{name}/ce_teacher": ce_teacher,
                f"{name}/kd": kd,
            }
            total = total + ce + ce_teacher + weight * kd
        return {**terms, "loss": total}

    def students(self, outputs):
        gated = {
            name.replace("network", "gated"): output["teacher"]
            for name, output in outputs.items()
        }
        return {**super().students(outputs), **gated}

    def get_config(self):
        return {**super().get_config(), "target_epsilon": self.target_epsilon}
