"""CSS: mutual distillation between self-supervised branches.

Channel Self-Supervision for Online Knowledge Distillation (arXiv 2203.11660).
"""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.methods.losses import kl_divergence
from keras_css.methods.method import Method
from keras_css.supervision import branch_labels

VARIANTS = ("released", "detached")
# Two networks that are certain of a whole batch would score 0 / 0.
SMALLEST_CE = 1e-12


@keras.saving.register_keras_serializable(package="keras_css")
class CSS(Method):
    """Each branch learns its joint label and from its twin across networks.

    With z_a, z_b of shape (B, C * n, n), y_i = y * n + i and all means over
    the batch and the n branches:

        CE_a = mean_i CE(z_a[:, :, i], y_i)
        KD_a = mean_i KL(softmax(z_b,i / T) || softmax(z_a,i / T))
        L_a  = CE_a + (CE_a / CE_b) T^2 KD_a,    L = L_a + L_b

    CE_a / CE_b is the "relative utility score". The paper has two networks;
    in a larger cohort (ours) network a takes the mean of u_ab T^2 KD_ab over
    all others b.

    Args:
        temperature: T.
        variant: `"released"` lets gradients flow into targets and scores, as
            the authors' code does; `"detached"` stops both.

    Raises:
        UserError: If an argument is out of range.
    """

    minimum_networks = 2

    def __init__(self, temperature=3.0, variant="released", **kwargs):
        super().__init__(**kwargs)
        if variant not in VARIANTS:
            raise unknown_name("variant of CSS", variant, VARIANTS)
        if not 0 < temperature < float("inf"):
            raise UserError(
                "temperature must be positive. "
                f"Received: temperature={temperature}"
            )
        self.temperature = temperature
        self.variant = variant

    def meet(self, networks):
        super().meet(networks)
        branches = sorted({n.num_branches for n in networks.values()})
        heads = {n.joint_labels for n in networks.values()}
        if len(branches) != 1 or len(heads) != 1:
            raise UserError(
                "CSS distils branch i into branch i: all networks need the "
                "same num_branches and joint_labels. Received: "
                f"num_branches={branches}, joint_labels={sorted(heads)}"
            )

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        detach = ops.stop_gradient if self.variant == "detached" else _keep
        logits = {name: output["logits"] for name, output in outputs.items()}
        ce = {}
        for name, z in logits.items():
            targets = branch_labels(labels, z, self.num_classes)
            ce[name] = batch_mean(cross_entropy(z, targets), sample_weight)

        terms = {}
        for name, z in logits.items():
            others = [other for other in logits if other != name]
            divergences, scores, taught = [], [], []
            for other in others:
                kl = kl_divergence(detach(logits[other]), z, self.temperature)
                divergences.append(batch_mean(kl, sample_weight))
                floor = ops.maximum(ce[other], SMALLEST_CE)
                scores.append(detach(ce[name] / floor))
                taught.append(scores[-1] * divergences[-1])
            weight = self.temperature**2 / len(others)
            terms[f"{name}/ce"] = ce[name]
            terms[f"{name}/kd"] = sum(divergences) / len(others)
            terms[f"{name}/utility_score"] = sum(scores) / len(others)
            terms[f"{name}/loss"] = ce[name] + weight * sum(taught)
        total = sum(terms[f"{name}/loss"] for name in logits)
        return {**terms, "loss": total}

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "variant": self.variant,
        }


def _keep(value):
    return value
