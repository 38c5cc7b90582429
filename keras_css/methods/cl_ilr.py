"""CL-ILR: heads on one trunk that teach each other.

Collaborative Learning for Deep Neural Networks (Song and Chai 2018, arXiv
1805.11761), with intermediate-level representation sharing.
"""

import keras
from keras import ops

from keras_css.methods.distillation import PLAIN_BRANCHES
from keras_css.methods.distillation import RampedDistillation
from keras_css.methods.distillation import check_plain


@keras.saving.register_keras_serializable(package="keras_css")
class CLILR(RampedDistillation):
    """Each of the n branches is taught by the mean of the others.

        L = sum_i CE_i + w(e) T^2 sum_i KL(mean of z_j, j != i || z_i)

    Targets are detached, and the gradient that reaches the shared trunk is
    divided by n, so that its size does not grow with the number of branches.
    Several networks train side by side, each by itself.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e); None for 80 of 300 of the run.
    """

    cohort_size = 1
    network_defaults = PLAIN_BRANCHES

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=2)

    def call_networks(self, networks, views, training=None):
        outputs = {}
        for name, network in networks.items():
            shared = network.shared(views[name], training)
            if training:
                share = 1.0 / network.num_branches
                shared = shared * share + ops.stop_gradient(
                    shared * (1.0 - share)
                )
            outputs[name] = network.branches(shared, training)
        return outputs

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        weight = self.ramp_up(epoch)
        terms, total = {}, 0.0
        for name, output in outputs.items():
            z = output["logits"]
            n = z.shape[2]
            ce = self.supervised(z, labels, sample_weight)
            others = (ops.sum(z, axis=2, keepdims=True) - z) / (n - 1)
            kd = n * self.taught(others, z, sample_weight)
            terms |= {f"{name}/ce": ce, f"{name}/kd": kd}
            total = total + ce + weight * kd
        return {**terms, "loss": total}
