"""CSS: mutual distillation between self-supervised branches.

Channel Self-Supervision for Online Knowledge Distillation (arXiv 2203.11660).
"""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.methods.distillation import Distillation
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.methods.losses import plain_cross_entropy
from keras_css.supervision import aggregate
from keras_css.supervision import branch_labels
from keras_css.supervision import member_logits
from keras_css_runtime.settings import Flag

# The first is the default.
VARIANTS = ("main_branch", "detached", "released")
# Two networks that are certain of a whole batch would score 0 / 0.
SMALLEST_CE = 1e-12


@keras.saving.register_keras_serializable(package="keras_css")
class CSS(Distillation):
    """Each branch learns its joint label and from its twin across networks.

    With z_a, z_b of shape (B, C * n, n), y_i = y * n + i and all means over
    the batch and the n branches:

        CE_a = mean_i CE(z_a[:, :, i], y_i)
        KD_a = mean_i KL(softmax(z_b,i / T) || softmax(z_a,i / T))
        L_a  = CE_a + (CE_a / CE_b) T^2 KD_a,    L = L_a + L_b

    CE_a / CE_b is the "relative utility score". The paper has two networks;
    in a larger cohort (ours) network a takes the mean of u_ab T^2 KD_ab over
    all others b.

    With a main branch (ours) each network has one branch more, untransformed
    and with C columns, m_a, which is taught by the other network's and by the
    mean of both networks' aggregates; it ships as `network_a/main`:

        L_a  = CE_a + u_ab T^2 KD_a + CE(m_a)
               + T^2 KL(m_b || m_a) + T^2 KL(mean of aggregates || m_a)

    Args:
        temperature: T.
        variant: `"main_branch"` has main branches, which ship at plain cost,
            and no gradients in targets and scores; `"detached"` neither;
            `"released"` is the paper's: gradients flow into both, as in the
            authors' code. Networks that are not built yet get their main
            branch here, unless they were made with `main_branch=False`.
        ramp_up_epochs: E of w(e), a weight of all distillation; 0 for 1.
        utility_scores: Whether u_ab is CE_a / CE_b; else 1.

    Raises:
        UserError: If an argument is out of range.
    """

    minimum_networks = 2

    rules = {"utility_scores": Flag()}

    def __init__(
        self,
        temperature=3.0,
        variant="main_branch",
        ramp_up_epochs=0,
        utility_scores=True,
        **kwargs,
    ):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        if variant not in VARIANTS:
            raise unknown_name("variant of CSS", variant, VARIANTS)
        self.variant = variant
        self.utility_scores = utility_scores

    @property
    def main_branch(self):
        """Whether networks have a main branch."""
        return self.variant == "main_branch"

    @classmethod
    def run_options(cls, epochs):
        return {"variant": VARIANTS[0]}

    @property
    def network_defaults(self):
        return {
            "num_branches": 3,
            "transformation": "corner_erase",
            "joint_labels": True,
            "main_branch": self.main_branch,
        }

    def meet(self, networks):
        if self.main_branch:
            for network in networks.values():
                network.take_main_branch()
        super().meet(networks)
        branches = sorted({n.num_branches for n in networks.values()})
        heads = {n.joint_labels for n in networks.values()}
        if len(branches) != 1 or len(heads) != 1:
            raise UserError(
                "CSS distils branch i into branch i: all networks need the "
                "same num_branches and joint_labels. Received: "
                f"num_branches={branches}, joint_labels={sorted(heads)}"
            )
        mains = sorted({n.main_branch for n in networks.values()})
        if mains != [self.main_branch]:
            raise UserError(
                f"CSS with variant='{self.variant}' needs networks with "
                f"main_branch={self.main_branch}. Received: {mains}"
            )

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        weight = self.ramp_up(epoch)
        terms = self._joint_terms(outputs, labels, sample_weight, weight)
        if self.main_branch:
            main = self._main_terms(outputs, labels, sample_weight, weight)
            for name in outputs:
                terms[f"{name}/loss"] += main[f"{name}/main_loss"]
            terms |= main
        total = sum(terms[f"{name}/loss"] for name in outputs)
        return {**terms, "loss": total}

    def _joint_terms(self, outputs, labels, sample_weight, weight):
        detach = _keep if self.variant == "released" else ops.stop_gradient
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
                kl = self.divergence(detach(logits[other]), z)
                divergences.append(batch_mean(kl, sample_weight))
                # Keras' maximum makes float64 float32 on PyTorch.
                low = ce[other] < SMALLEST_CE
                floor = ops.where(low, SMALLEST_CE, ce[other])
                scores.append(detach(ce[name] / floor))
                used = scores[-1] if self.utility_scores else 1.0
                taught.append(used * divergences[-1])
            share = weight * self.temperature**2 / len(others)
            terms[f"{name}/ce"] = ce[name]
            terms[f"{name}/kd"] = sum(divergences) / len(others)
            terms[f"{name}/utility_score"] = sum(scores) / len(others)
            terms[f"{name}/loss"] = ce[name] + share * sum(taught)
        return terms

    def _main_terms(self, outputs, labels, sample_weight, weight):
        """Returns the terms of the main branches."""
        own = {
            name: member_logits(output, self.num_classes)
            for name, output in outputs.items()
        }
        everyone = aggregate(own, self._joint_members())
        terms = {}
        for name, output in outputs.items():
            z = output["main"]
            peers = [
                self.taught(other["main"], z, sample_weight)
                for peer, other in outputs.items()
                if peer != name
            ]
            ce = plain_cross_entropy(z, labels, sample_weight)
            kd_peer = sum(peers) / len(peers)
            kd_aggregate = self.taught(everyone, z, sample_weight)
            terms[f"{name}/main_ce"] = ce
            terms[f"{name}/main_kd_peer"] = kd_peer
            terms[f"{name}/main_kd_aggregate"] = kd_aggregate
            terms[f"{name}/main_loss"] = ce + weight * (kd_peer + kd_aggregate)
        return terms

    def _joint_members(self):
        """Returns the parts of the mean of all networks' aggregates."""
        count = sum(self.branch_counts.values())
        return {
            (name, i): 1.0 / count
            for name, n in self.branch_counts.items()
            for i in range(n)
        }

    def get_config(self):
        return {
            **super().get_config(),
            "variant": self.variant,
            "utility_scores": self.utility_scores,
        }


def _keep(value):
    return value
