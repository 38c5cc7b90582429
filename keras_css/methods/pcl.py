"""PCL: a fused classifier and an averaged copy teach the peers.

Peer Collaborative Learning for Online Knowledge Distillation (Wu and Gong
2021, arXiv 2006.04147).
"""

import keras
from keras import ops

from keras_css.methods.averaging import AveragedCopies
from keras_css.methods.distillation import PLAIN_BRANCHES
from keras_css.methods.distillation import RampedDistillation
from keras_css.methods.distillation import check_plain
from keras_css.methods.losses import plain_cross_entropy
from keras_css.networks.head import LinearHead
from keras_css_runtime.settings import FRACTION


@keras.saving.register_keras_serializable(package="keras_css")
class PCL(RampedDistillation):
    """Each of n peers on one trunk sees its own augmentation of an image.

    `fused` classifies the concatenated features of all peers, `EMA_j` is peer
    j of a copy whose weights are a running average:

        L = CE(fused) + sum_i [CE_i + w(e) T^2 KL(fused || z_i)
            + w(e) T^2 / (n - 1) sum over j != i of KL(EMA_j || z_i)]

    Targets are detached. The views of a batch go through the trunk together,
    so BatchNorm there has the statistics of all of them; the copy sees the
    same views in training form. The averaged copy ships, as `ema/branch_0` or
    whole. `fused` is measured and cannot be cut out.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e); None for 80 of 300 of the run.
        decay: Largest decay of the average; 1 - 1 / (step + 1) before.
    """

    cohort_size = 1
    network_defaults = PLAIN_BRANCHES
    augment_each_view = True

    rules = {"decay": FRACTION}

    def __init__(
        self, temperature=3.0, ramp_up_epochs=None, decay=0.999, **kwargs
    ):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        self.decay = decay
        self.copies = None
        self.fusers = []
        self.step = self.add_weight(
            name="step", shape=(), initializer="zeros", trainable=False
        )

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=2)
        self.copies = AveragedCopies(networks, self.decay)
        # Keras tracks networks that are in a list.
        self.copied = list(self.copies.networks.values())
        self.fusers = [
            LinearHead(self.num_classes, name=f"{name}_fused")
            for name in networks
        ]

    @property
    def own_networks(self):
        return self.copies.networks

    def view_names(self, networks):
        return [
            f"{name}/branch_{i}"
            for name, network in networks.items()
            for i in range(network.num_branches)
        ]

    def call_networks(self, networks, views, training=None):
        outputs = {}
        whole = zip(networks.items(), self.own_networks.items(), self.fusers)
        for (name, network), (average, copy), fuser in whole:
            own = [
                views[f"{name}/branch_{i}"] for i in range(network.num_branches)
            ]
            outputs[name] = call_on_views(network, own, training)
            outputs[average] = call_on_views(copy, own, training)
            features = outputs[name]["features"]
            features = ops.reshape(
                features, (-1, features.shape[1] * features.shape[2])
            )
            fused = ops.cast(fuser(features), outputs[name]["logits"].dtype)
            outputs[name]["fused"] = fused
        return outputs

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        weight = self.ramp_up(epoch)
        terms, total = {}, 0.0
        for name, average in zip(self.branch_counts, self.own_networks):
            z, fused = outputs[name]["logits"], outputs[name]["fused"]
            n = z.shape[2]
            ce = self.supervised(z, labels, sample_weight)
            ce_fused = plain_cross_entropy(fused, labels, sample_weight)
            kd_fused = n * self.taught(fused, z, sample_weight)
            teachers = outputs[average]["logits"]
            # Peer i with the teacher of every other peer: shifts by k.
            from_others = [
                self.taught(ops.roll(teachers, k, axis=2), z, sample_weight)
                for k in range(1, n)
            ]
            kd_mean = n * sum(from_others) / (n - 1)
            terms |= {
                f"{name}/ce": ce,
                f"{name}/ce_fused": ce_fused,
                f"{name}/kd_fused": kd_fused,
                f"{name}/kd_mean": kd_mean,
            }
            total = total + ce + ce_fused + weight * (kd_fused + kd_mean)
        return {**terms, "loss": total}

    def student_parts(self):
        """Returns the averaged copy's peers and mean, then the networks'."""
        parts, ensembles = {}, {}
        counts = self.branch_counts
        whole = [*zip(self.own_networks, counts.values()), *counts.items()]
        for network, count in whole:
            members = [(network, i) for i in range(count)]
            for i, member in enumerate(members):
                parts[f"{network}/branch_{i}"] = {member: 1.0}
            ensembles[network] = dict.fromkeys(members, 1.0 / count)
        return {**parts, **ensembles}

    def students(self, outputs):
        fused = {
            name.replace("network", "fused"): outputs[name]["fused"]
            for name in self.branch_counts
        }
        return {**super().students(outputs), **fused}

    def begin(self, networks):
        self.copies.begin(networks)

    def after_step(self, networks):
        self.copies.follow(networks, self.step)
        self.step.assign_add(1.0)

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}


def call_on_views(network, views, training):
    """Returns a network's outputs, branch i on view i.

    Args:
        network: A `MultiBranchNetwork`.
        views: List of images `(B, H, W, c)`, one a branch.
        training: As everywhere.
    """
    if all(view is views[0] for view in views):
        return network(views[0], training=training)
    shared = network.shared(ops.concatenate(views, axis=0), training)
    return network.branches(ops.split(shared, len(views), axis=0), training)
