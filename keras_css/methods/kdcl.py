"""KDCL: independent networks learn from one target made of all of them.

Online Knowledge Distillation via Collaborative Learning (Guo et al. 2020,
CVPR).
"""

import keras
from keras import ops

from keras_css.errors import unknown_name
from keras_css.methods.distillation import Distillation
from keras_css.methods.distillation import check_plain
from keras_css.methods.kdcl_targets import combination
from keras_css.methods.kdcl_targets import error_products
from keras_css.methods.kdcl_targets import least_cross_entropy_weights
from keras_css.methods.kdcl_targets import least_error_weights
from keras_css.methods.kdcl_targets import lowest_cross_entropy
from keras_css.methods.kdcl_targets import minimum_logits
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.supervision import branch_labels
from keras_css_runtime.settings import NOT_NEGATIVE

TARGETS = ("naive", "linear", "min_logit", "general")


@keras.saving.register_keras_serializable(package="keras_css")
class KDCL(Distillation):
    """Every network is taught by one target, of its own augmentation each.

        L_i = CE_i + weight T^2 KL(target || z_i), target detached

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e), a further weight of the second term; 0
            for 1.
        target: How the target is made. `"naive"`: the network of lowest
            cross-entropy on the batch. `"linear"`: the convex combination of
            logits of least cross-entropy on the batch. `"min_logit"`: each
            network's logits less that of the true class, then the least of
            each column. `"general"`: the combination, its weights summing to
            1, of least estimated squared error of probabilities; estimated
            over an epoch, each batch before it is learned from (the paper
            leaves open which images are held out), used in the next.
        weight: Of the second term.

    Raises:
        UserError: If there is no such target.
    """

    minimum_networks = 2
    augment_each_view = True

    rules = {"weight": NOT_NEGATIVE}

    def __init__(
        self,
        temperature=2.0,
        ramp_up_epochs=0,
        target="min_logit",
        weight=1.0,
        **kwargs,
    ):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        if target not in TARGETS:
            raise unknown_name("target of KDCL", target, TARGETS)
        self.target = target
        self.weight = weight

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=1, most=1)
        if self.target != "general":
            return
        count = len(networks)
        self.products = self._state("products", (count, count), "zeros")
        self.samples = self._state("samples", (), "zeros")
        self.estimated_in = self._state("estimated_in", (), "zeros")
        self.shares = self._state("shares", (count,), "zeros")
        self.shares.assign(ops.full((count,), 1.0 / count))

    def _state(self, name, shape, initializer):
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, trainable=False
        )

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        weight = self.weight * self.ramp_up(epoch)
        z = ops.concatenate([o["logits"] for o in outputs.values()], axis=2)
        own = branch_labels(labels, z, self.num_classes)
        ce = cross_entropy(z, own)
        target = self._target(z, labels, ce, epoch, training)
        terms, total = {}, 0.0
        for i, name in enumerate(outputs):
            own_ce = batch_mean(ce[:, i], sample_weight)
            kd = self.taught(target, z[:, :, i], sample_weight)
            terms |= {f"{name}/ce": own_ce, f"{name}/kd": kd}
            total = total + own_ce + weight * kd
        return {**terms, "loss": total}

    def _target(self, z, labels, ce, epoch, training):
        """Returns the teaching logits `(B, C)`."""
        z = ops.stop_gradient(z)
        if self.target == "naive":
            return lowest_cross_entropy(z, ops.stop_gradient(ce))
        if self.target == "min_logit":
            return minimum_logits(z, labels)
        if self.target == "linear":
            return combination(z, least_cross_entropy_weights(z, labels))
        if training:
            self._estimate(z, labels, epoch)
        return combination(z, ops.cast(self.shares, z.dtype))

    def _estimate(self, z, labels, epoch):
        """Takes the last epoch's estimate into use, and goes on with this."""
        begins = ops.cast(
            ops.not_equal(epoch, self.estimated_in), self.products.dtype
        )
        mean = self.products / ops.maximum(self.samples, 1.0)
        fresh = least_error_weights(mean)
        self.shares.assign(begins * fresh + (1.0 - begins) * self.shares)
        self.products.assign(
            (1.0 - begins) * self.products
            + ops.cast(error_products(z, labels), self.products.dtype)
        )
        count = ops.cast(ops.shape(z)[0], self.samples.dtype)
        self.samples.assign((1.0 - begins) * self.samples + count)
        self.estimated_in.assign(
            begins * ops.cast(epoch, self.estimated_in.dtype)
            + (1.0 - begins) * self.estimated_in
        )

    def get_config(self):
        return {
            **super().get_config(),
            "target": self.target,
            "weight": self.weight,
        }
