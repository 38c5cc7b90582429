"""CSS: mutual distillation between self-supervised branches.

Channel Self-Supervision for Online Knowledge Distillation (arXiv 2203.11660).
"""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.methods.averaging import AveragedCopies
from keras_css.methods.averaging import check_decay
from keras_css.methods.distillation import Distillation
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.methods.losses import kl_divergence
from keras_css.methods.losses import plain_cross_entropy
from keras_css.supervision import aggregate
from keras_css.supervision import branch_labels
from keras_css.supervision import member_logits

VARIANTS = ("released", "detached")
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

        L_a  = joint_weight (CE_a + u_ab T^2 KD_a) + CE(m_a)
               + T^2 KL(m_b || m_a) + T^2 KL(mean of aggregates || m_a)

    Args:
        temperature: T.
        variant: `"released"` lets gradients flow into targets and scores, as
            the authors' code does; `"detached"` stops both. What teaches a
            main branch is always detached.
        ramp_up_epochs: E of w(e), a weight of all distillation; 0 for 1.
        utility_scores: Whether u_ab is CE_a / CE_b; else 1.
        main_branch: Whether networks have a main branch.
        joint_weight: Weight of the joint branches' part of the loss.
        joint_decay_epochs: Epochs over which that weight falls to 0 in a
            straight line; 0 for never.
        average_decay: Largest decay of a running average of all weights,
            shipped as `ema_a/...`; 0 for no average.

    Raises:
        UserError: If an argument is out of range.
    """

    minimum_networks = 2

    def __init__(
        self,
        temperature=3.0,
        variant="released",
        ramp_up_epochs=0,
        utility_scores=True,
        main_branch=False,
        joint_weight=1.0,
        joint_decay_epochs=0,
        average_decay=0.0,
        **kwargs,
    ):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        if variant not in VARIANTS:
            raise unknown_name("variant of CSS", variant, VARIANTS)
        if not main_branch and (joint_weight != 1 or joint_decay_epochs):
            raise UserError(
                "joint_weight and joint_decay_epochs weigh the joint branches "
                "against a main branch: they need main_branch=True."
            )
        if not (joint_weight >= 0 and joint_decay_epochs >= 0):
            raise UserError(
                "joint_weight and joint_decay_epochs must be at least 0. "
                f"Received: {joint_weight} and {joint_decay_epochs}"
            )
        check_decay("average_decay", average_decay)
        self.variant = variant
        self.utility_scores = utility_scores
        self.main_branch = main_branch
        self.joint_weight = joint_weight
        self.joint_decay_epochs = joint_decay_epochs
        self.average_decay = average_decay
        self.copies = None

    @property
    def network_defaults(self):
        return {
            "num_branches": 3,
            "transformation": "corner_erase",
            "joint_labels": True,
            "main_branch": self.main_branch,
        }

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
        mains = sorted({n.main_branch for n in networks.values()})
        if mains != [self.main_branch]:
            raise UserError(
                "CSS and all its networks need the same main_branch. "
                f"Received: {self.main_branch}, of the networks {mains}"
            )
        if self.average_decay:
            self.copies = AveragedCopies(
                networks, self.average_decay, average_statistics=True
            )
            # Keras tracks networks that are in a list.
            self.copied = list(self.copies.networks.values())
            self.step = self.add_weight(
                name="step", shape=(), initializer="zeros", trainable=False
            )

    @property
    def own_networks(self):
        return self.copies.networks if self.copies else {}

    def call_networks(self, networks, views, training=None):
        outputs = super().call_networks(networks, views, training)
        for copy, name in zip(self.own_networks, networks):
            outputs[copy] = self.own_networks[copy](views[name], training=False)
        return outputs

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        outputs = {name: outputs[name] for name in self.branch_counts}
        weight = self.ramp_up(epoch)
        terms = self._joint_terms(outputs, labels, sample_weight, weight)
        if self.main_branch:
            share = self._joint_share(epoch)
            main = self._main_terms(outputs, labels, sample_weight, weight)
            for name in outputs:
                terms[f"{name}/loss"] = (
                    share * terms[f"{name}/loss"] + main[f"{name}/main_loss"]
                )
            terms |= main
        total = sum(terms[f"{name}/loss"] for name in outputs)
        return {**terms, "loss": total}

    def _joint_terms(self, outputs, labels, sample_weight, weight):
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

    def _joint_share(self, epoch):
        if not self.joint_decay_epochs:
            return self.joint_weight
        left = 1.0 - ops.minimum(epoch / self.joint_decay_epochs, 1.0)
        return self.joint_weight * left

    def student_parts(self):
        """Returns those of the networks, and the same of their averages."""
        parts = super().student_parts()
        copies = {
            name.replace("network", "ema"): {
                (network.replace("network", "ema"), i): weight
                for (network, i), weight in members.items()
            }
            for name, members in parts.items()
            if name != "ensemble"
        }
        return {**parts, **copies} if self.copies else parts

    def begin(self, networks):
        if self.copies:
            self.copies.begin(networks)

    def after_step(self, networks):
        if self.copies:
            self.copies.follow(networks, self.step)
            self.step.assign_add(1.0)

    def get_config(self):
        return {
            **super().get_config(),
            "variant": self.variant,
            "utility_scores": self.utility_scores,
            "main_branch": self.main_branch,
            "joint_weight": self.joint_weight,
            "joint_decay_epochs": self.joint_decay_epochs,
            "average_decay": self.average_decay,
        }


def _keep(value):
    return value
