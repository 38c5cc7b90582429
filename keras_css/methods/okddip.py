"""OKDDip: peers that attend to each other, and a leader that ships.

Online Knowledge Distillation with Diverse Peers (Chen et al. 2020, arXiv
1912.00350).
"""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.means import mean
from keras_css.methods.distillation import PLAIN_BRANCHES
from keras_css.methods.distillation import RampedDistillation
from keras_css.methods.distillation import check_plain
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import plain_cross_entropy
from keras_css.networks.head import LinearHead
from keras_css_runtime.settings import FRACTION
from keras_css_runtime.settings import Flag

# Features are D wide, queries and keys D / 8.
REDUCTION = 8


@keras.saving.register_keras_serializable(package="keras_css")
class OKDDip(RampedDistillation):
    """Two-level distillation: among the peers, then to the group leader.

    The branches of all networks are the group, the last one its leader. With
    features f_i and logits z_i of the peers:

        A = softmax((W_q f_i) . (W_k f_j)) over j,  target_i = sum_j A_ij z_j
        L = sum_i CE_i + CE(leader) + w(e) T^2 [sum_i KL(target_i || z_i)
            + KL(mean of the peers' logits || leader)]

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e); None for 80 of 300 of the run.
        detach: Whether gradients stop at the targets; in the released code
            they do not, and the attention learns through them.
        target_epsilon: Added to the targets' probabilities inside the
            divergences, 1e-7 in the released code.

    Raises:
        UserError: If the group is smaller than two peers and a leader, or
            its features differ in width.
    """

    cohort_size = 1
    network_defaults = {**PLAIN_BRANCHES, "num_branches": 4}

    rules = {"detach": Flag(), "target_epsilon": FRACTION}

    def __init__(
        self,
        temperature=3.0,
        ramp_up_epochs=None,
        detach=False,
        target_epsilon=0.0,
        **kwargs,
    ):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        self.detach = detach
        self.target_epsilon = target_epsilon
        self.query = None
        self.key = None

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks)
        count = sum(self.branch_counts.values())
        widths = sorted({n.backbone.feature_dim for n in networks.values()})
        if count < 3 or len(widths) != 1:
            raise UserError(
                f"{type(self).__name__} needs at least two peers and a leader "
                "with features of one width, received "
                f"{count} branches in all with widths {widths}."
            )
        reduced = max(1, widths[0] // REDUCTION)
        self.query = LinearHead(reduced, use_bias=False, name="query")
        self.key = LinearHead(reduced, use_bias=False, name="key")

    def build(self, outputs_shape, labels_shape=None):
        width = next(iter(outputs_shape.values()))["features"][1]
        self.query.build((None, width))
        self.key.build((None, width))
        self.built = True

    def group(self, outputs):
        """Returns the peers' logits, the leader's, and the peers' targets.

        Returns:
            `(B, C, m)`, `(B, C)` and `(B, C, m)` for m peers.
        """
        z = ops.concatenate([o["logits"] for o in outputs.values()], axis=2)
        f = ops.concatenate([o["features"] for o in outputs.values()], axis=2)
        peers, leader = z[:, :, :-1], z[:, :, -1]
        f = ops.transpose(f[:, :, :-1], (0, 2, 1))
        # Products and sums: on PyTorch Keras' matmul rounds float64.
        q, k = self.query(f), self.key(f)
        scores = ops.sum(q[:, :, None, :] * k[:, None, :, :], axis=-1)
        attention = ops.cast(ops.softmax(scores, axis=-1), z.dtype)
        targets = ops.sum(
            attention[:, None, :, :] * peers[:, :, None, :], axis=-1
        )
        return peers, leader, targets

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        peers, leader, targets = self.group(outputs)
        consensus = mean(peers, axis=2)
        if self.detach:
            targets = ops.stop_gradient(targets)
            consensus = ops.stop_gradient(consensus)
        m = peers.shape[2]

        def taught(target, z):
            kl = self.divergence(target, z, self.target_epsilon)
            return self.temperature**2 * batch_mean(kl, sample_weight)

        ce = self.supervised(peers, labels, sample_weight)
        ce_leader = plain_cross_entropy(leader, labels, sample_weight)
        kd = m * taught(targets, peers)
        kd_leader = taught(consensus, leader)
        return {
            "peers/ce": ce,
            "leader/ce": ce_leader,
            "peers/kd": kd,
            "leader/kd": kd_leader,
            "loss": ce + ce_leader + self.ramp_up(epoch) * (kd + kd_leader),
        }

    def student_parts(self):
        """Returns the leader, the peers, and the mean of the peers.

        The mean is `peers`, or `ensemble` where it takes several networks.
        """
        members = [
            (network, i)
            for network, count in self.branch_counts.items()
            for i in range(count)
        ]
        *peers, leader = members
        whole_networks = len({network for network, _ in peers}) > 1
        together = "ensemble" if whole_networks else "peers"
        return {
            f"{leader[0]}/leader": {leader: 1.0},
            **{f"{net}/branch_{i}": {(net, i): 1.0} for net, i in peers},
            together: dict.fromkeys(peers, 1.0 / len(peers)),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "detach": self.detach,
            "target_epsilon": self.target_epsilon,
        }


@keras.saving.register_keras_serializable(package="keras_css")
class OKDDipNetworks(OKDDip):
    """The network-based form: four independent networks, the last one leads."""

    cohort_size = 4
    minimum_networks = 3
    network_defaults = {**PLAIN_BRANCHES, "num_branches": 1}
