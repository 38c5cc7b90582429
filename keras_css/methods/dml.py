"""DML: networks that learn from each other's predictions.

Deep Mutual Learning (Zhang et al. 2018, arXiv 1706.00384).
"""

import keras

from keras_css.methods.distillation import Distillation
from keras_css.methods.distillation import check_plain


@keras.saving.register_keras_serializable(package="keras_css")
class DML(Distillation):
    """Every network is taught by each of the others.

        L_i = CE_i + T^2 / (K - 1) sum over j != i of KL(p_j || p_i)

    Targets are detached. The paper has T = 1; later work on CIFAR uses 3.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e), the weight of the second term; 0 for 1.
    """

    minimum_networks = 2

    def __init__(self, temperature=1.0, ramp_up_epochs=0, **kwargs):
        super().__init__(temperature, ramp_up_epochs, **kwargs)

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=1, most=1)

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        logits = {name: output["logits"] for name, output in outputs.items()}
        weight = self.ramp_up(epoch)
        terms, total = {}, 0.0
        for name, z in logits.items():
            ce = self.supervised(z, labels, sample_weight)
            from_others = [
                self.taught(other, z, sample_weight)
                for peer, other in logits.items()
                if peer != name
            ]
            kd = sum(from_others) / len(from_others)
            terms |= {f"{name}/ce": ce, f"{name}/kd": kd}
            total = total + ce + weight * kd
        return {**terms, "loss": total}
