"""SSKD: a teacher's predictions and likenesses of turned images.

Knowledge Distillation Meets Self-Supervision (Xu et al. 2020, arXiv
2006.07114), and the code its authors released.
"""

import keras
from keras import ops

from keras_css.methods.distillation import share_of
from keras_css.methods.from_teachers import TEACHERS
from keras_css.methods.hssakd import ROTATIONS
from keras_css.methods.hssakd import check_square
from keras_css.methods.inside import InsideDistillation
from keras_css.methods.inside import kept_mean
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import hard_labels
from keras_css.methods.losses import kl_divergence
from keras_css.networks.head import LinearHead
from keras_css.supervision.transformations.rotation import turned
from keras_css.teachers.inside import FEATURES
from keras_css.teachers.inside import OpenTeacher
from keras_css_runtime.settings import NOT_NEGATIVE
from keras_css_runtime.settings import POSITIVE
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import Number

# Published are 60 epochs of the module alone, then 240 of the network.
MODULE_SHARE = 60 / 240
# What a cosine's norms are at least.
LEAST_NORM = 1e-8


@keras.saving.register_keras_serializable(package="keras_css")
class SSKD(InsideDistillation):
    """A teacher is asked about each image and its three quarter turns.

    View 0 of an image is the image, views 1 to 3 are turned by 90, 180 and
    270 degrees, each with random changes of its own. A self-supervised module
    g (linear, ReLU, linear, as wide as the features) on teacher and network
    gives cosines A[(i, j), k] = cos(g(view j of image i), g(view 0 of image
    k)). With B = softmax(A / tau) over k, and T = `temperature`:

        L = sum over networks of
            ce_weight CE(z, view 0)
            + w(e) [kd_weight T^2 mean of KL(teacher || z), view 0,
                    + turned_weight T^2 mean of KL(teacher || z), views 1 to 3,
                    + ss_weight tau^2 mean of KL(B_teacher || B)]

    Selection: of the turned views the third term keeps those whose class the
    teacher gets right, and of the W others the floor(turned_ratio W) with the
    best ranks of the class; the fourth term likewise with `ss_ratio` and the
    rank of column i in the row (i, j) of the teacher's A. Means are over kept
    rows. All views go through the network as one batch.

    Stage 1 is part of the run: in the first `module_epochs` the teacher's
    module, and nothing else of the teacher, learns by

        L_1 = mean over (i, j) of CE(row of A / module_temperature, column i)

    while the network learns by the first three terms. Then the module stays as
    it is, and the fourth term sets in. What teaches is a copy that follows it
    until then, so that no optimizer moves it. With `wait` the network learns
    nothing in stage 1, as released, but for what weight decay does; it costs
    the run as much as if it learned. Where nothing is said stage 1 is a quarter
    of the training.

    In evaluation only images as they are are looked at: the third, the fourth
    and the module's term are 0. Modules never ship.

    The defaults are the released code's. Of the weights 2.7 and 10 the paper
    has the two exchanged (arXiv; 5 and 3 in the proceedings), and it writes a
    temperature into L_1. Its three further transformations are left out: the
    code has rotations only.

    Args:
        temperature: T.
        ce_weight: Of the cross-entropy.
        kd_weight: Of the teacher's predictions of view 0.
        turned_weight: Of those of views 1 to 3.
        ss_weight: Of the cosines.
        ss_temperature: tau.
        turned_ratio: Share of the wrongly classified turned views that teach.
        ss_ratio: Share of the wrong rows of A that teach.
        module_epochs: Of stage 1; None for a quarter of the training.
        module_temperature: Of L_1.
        wait: Whether the network waits for the module.
        teacher_layers: Name of the teacher's layer whose output, of a map the
            spatial mean, are its features; "" for what its classifier takes.
        **kwargs: Of `Distillation`: the ramps of w(e), 1 by default.

    Raises:
        UserError: If an argument is out of range, or images are not square.
    """

    augment_each_view = True
    rules = {
        "turned_weight": NOT_NEGATIVE,
        "ss_weight": NOT_NEGATIVE,
        "ss_temperature": POSITIVE,
        "turned_ratio": Number(0, 1),
        "ss_ratio": Number(0, 1),
        "module_epochs": Number(1, whole=True, optional=True),
        "module_temperature": POSITIVE,
        "wait": Flag(),
    }

    def __init__(
        self,
        temperature=4.0,
        ce_weight=0.1,
        kd_weight=0.9,
        turned_weight=2.7,
        ss_weight=10.0,
        ss_temperature=0.5,
        turned_ratio=1.0,
        ss_ratio=0.75,
        module_epochs=None,
        module_temperature=1.0,
        wait=False,
        **kwargs,
    ):
        super().__init__(temperature, ce_weight, kd_weight, **kwargs)
        self.turned_weight = turned_weight
        self.ss_weight = ss_weight
        self.ss_temperature = ss_temperature
        self.turned_ratio = turned_ratio
        self.ss_ratio = ss_ratio
        self.module_epochs = module_epochs
        self.module_temperature = module_temperature
        self.wait = wait
        # One a network (`modules` is a name of PyTorch), then the teacher's
        # that learns and the one that teaches.
        self.own_modules = []
        self.teacher_module = self.teaching_module = None
        self.following = None

    @classmethod
    def run_options(cls, epochs):
        return {"module_epochs": share_of(MODULE_SHARE, epochs)}

    @property
    def counts_epochs(self):
        return super().counts_epochs or self.module_epochs is None

    @property
    def stage_one(self):
        """Epochs of stage 1."""
        return self.module_epochs or share_of(MODULE_SHARE, self.all_epochs)

    def look_at(self, networks):
        self.own_modules = [
            ss_module(network.backbone.feature_dim)
            for network in networks.values()
        ]

    def open_teacher(self, teacher, layers):
        return OpenTeacher(teacher, layers[:1] or [FEATURES])

    def join(self, widths):
        self.teacher_module = ss_module(widths[0])
        self.teaching_module = ss_module(widths[0])
        self.teaching_module.trainable = False
        # Whether the last step was one of stage 1.
        self.following = self.add_weight(
            name="following", shape=(), initializer="zeros", trainable=False
        )

    def build(self, outputs_shape, labels_shape=None):
        for name, module in zip(self.branch_counts, self.own_modules):
            module.build((None, outputs_shape[name]["features"][1]))
        if self.teacher_widths is not None:
            for module in (self.teacher_module, self.teaching_module):
                module.build((None, self.teacher_widths[0]))
        self.built = True

    def begin(self, networks):
        for network in networks.values():
            check_square(network.image_shape, "SSKD")
        if self.teacher_module is not None:
            weights = self.teacher_module.get_weights()
            self.teaching_module.set_weights(weights)

    def view_names(self, networks):
        return [
            f"{name}/view_{j}" for name in networks for j in range(ROTATIONS)
        ]

    def call_networks(self, networks, views, training=None):
        outputs = {}
        for (name, network), module in zip(networks.items(), self.own_modules):
            output = network(seen(views, name, training), training=training)
            if training:
                projected = module(output["features"][:, :, 0])
                whole = output
                output = {
                    key: ops.split(value, ROTATIONS, axis=0)[0]
                    for key, value in whole.items()
                }
                output |= {"views": whole["logits"], "projected": projected}
            outputs[name] = output
        return outputs

    def ask_teachers(self, teachers, views, training):
        said = {}
        for name in self.branch_counts:
            images = seen(views, name, training)
            said[name] = teachers[0].look(images)
        return said

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        ramp = self.ramp_up(epoch)
        said = outputs.get(TEACHERS)
        terms, total = {}, 0.0
        for name in self.branch_counts:
            output = outputs[name]
            z = output["logits"]
            ce = self.supervised(z, labels, sample_weight)
            zero = ops.zeros((), z.dtype)
            kd, kd_turned, ss, module = [zero] * 4
            first, learns = zero, ops.ones_like(zero)
            if said is not None:
                target, (features,) = said[name]
                target = ops.cast(target, z.dtype)
                now = target[: ops.shape(z)[0]]
                kd = self.taught(now, z, sample_weight)
            if said is not None and training:
                first = ops.cast(ops.less(epoch, self.stage_one), z.dtype)
                self.following.assign(ops.cast(first, self.following.dtype))
                learns = 1.0 - first if self.wait else learns
                kd_turned = self.turned_loss(
                    target, output["views"][:, :, 0], labels, sample_weight
                )
                module = self.module_loss(features, sample_weight)
                ss = self.ss_loss(features, output["projected"], sample_weight)
            terms |= {
                f"{name}/ce": ce,
                f"{name}/kd": kd,
                f"{name}/kd_turned": kd_turned,
                f"{name}/ss": ss,
                f"{name}/teacher_module": module,
            }
            taught = self.kd_weight * kd + self.turned_weight * kd_turned
            taught = taught + self.ss_weight * (1.0 - first) * ss
            own = self.ce_weight * ce + ramp * taught
            total = total + learns * own + first * module
        return {**terms, "loss": total}

    def turned_loss(self, target, z, labels, sample_weight=None):
        """Returns the third term, T^2 included, of logits `(4 B, C)`."""
        turned_target, turned_z = without_first(target), without_first(z)
        rank = rank_of(turned_target, tiled(hard_labels(labels)))
        kept = best_ranked(rank, self.turned_ratio)
        kl = self.divergence(turned_target, turned_z)
        return self.temperature**2 * kept_mean(kl, kept, tiled(sample_weight))

    def module_loss(self, features, sample_weight=None):
        """Returns L_1 of the teacher's features `(4 B, D)`."""
        cosines = likenesses(self.teacher_module(features))
        logs = ops.log_softmax(cosines / self.module_temperature, axis=1)
        right = right_columns(cosines)[:, None]
        # TensorFlow does not know how many columns there are.
        loss = -ops.take_along_axis(logs, right, axis=1)
        return batch_mean(loss, tiled(sample_weight))

    def ss_loss(self, features, projected, sample_weight=None):
        """Returns the fourth term, tau^2 included.

        Args:
            features: The teacher's, `(4 B, D)`.
            projected: What the network's module makes of its own, likewise.
            sample_weight: `(B,)` or None.
        """
        target = likenesses(ops.stop_gradient(self.teaching_module(features)))
        own = likenesses(projected)
        rank = rank_of(target, right_columns(target))
        kept = best_ranked(rank, self.ss_ratio)
        tau = self.ss_temperature
        kl = kl_divergence(ops.cast(target, own.dtype), own, tau)
        return tau**2 * kept_mean(kl, kept, tiled(sample_weight))

    def after_step(self, networks):
        pairs = zip(
            self.teaching_module.variables, self.teacher_module.variables
        )
        for copy, learned in pairs:
            share = ops.cast(self.following, copy.dtype)
            copy.assign(copy + share * (learned - copy))

    def get_config(self):
        return {
            **super().get_config(),
            "turned_weight": self.turned_weight,
            "ss_weight": self.ss_weight,
            "ss_temperature": self.ss_temperature,
            "turned_ratio": self.turned_ratio,
            "ss_ratio": self.ss_ratio,
            "module_epochs": self.module_epochs,
            "module_temperature": self.module_temperature,
            "wait": self.wait,
        }


def ss_module(width):
    """Returns g: features `(N, D)` to as many numbers."""
    return keras.Sequential(
        [LinearHead(width), keras.layers.ReLU(), LinearHead(width)]
    )


def seen(views, name, training):
    """Returns what a network sees: in training all views, `(4 B, ...)`."""
    own = [views[f"{name}/view_{j}"] for j in range(ROTATIONS)]
    if not training:
        return own[0]
    return ops.concatenate([turned(x, j) for j, x in enumerate(own)], axis=0)


def without_first(rows):
    """Returns the rows `(3 B, ...)` of views 1 to 3, of `(4 B, ...)`."""
    return rows[ops.shape(rows)[0] // ROTATIONS :]


def tiled(values):
    """Returns values `(B,)` of images for views 1 to 3, `(3 B,)`, or None."""
    if values is None:
        return None
    return ops.tile(ops.reshape(values, (-1,)), (ROTATIONS - 1,))


def likenesses(projected):
    """Returns A `(3 B, B)`: cosines of turned views with images.

    Args:
        projected: `(4 B, D)`, view by view.
    """
    norm = ops.sqrt(ops.sum(ops.square(projected), axis=1, keepdims=True))
    unit = projected / ops.maximum(norm, LEAST_NORM)
    count = ops.shape(unit)[0] // ROTATIONS
    # On PyTorch Keras' matmul rounds float64.
    return ops.einsum("ad,bd->ab", unit[count:], unit[:count])


def right_columns(cosines):
    """Returns which column of each row of A is the same image, `(3 B,)`."""
    return tiled(ops.arange(ops.shape(cosines)[1], dtype="int32"))


def rank_of(logits, right):
    """Returns how many columns `(N, K)` are above the right one, int32 `(N,)`.

    Args:
        logits: Tensor `(N, K)`.
        right: Integer tensor `(N,)`; one that is no column is the nearest.
    """
    right = ops.clip(ops.cast(right, "int32"), 0, ops.shape(logits)[1] - 1)
    own = ops.take_along_axis(logits, right[:, None], axis=1)
    return ops.sum(ops.cast(logits > own, "int32"), axis=1)


def best_ranked(rank, ratio):
    """Returns the rows of rank 0 and a share of the others, bool `(N,)`.

    Args:
        rank: Integer tensor `(N,)`.
        ratio: Of the W others the floor(ratio W) with the smallest ranks are
            kept; of equal ones the first.
    """
    count = ops.shape(rank)[0]
    places = ops.arange(count, dtype="int32")
    order = rank * count + places
    before = ops.cast(order[None, :] < order[:, None], "int32")
    right = ops.sum(ops.cast(rank == 0, "int32"))
    others = ops.floor(ratio * ops.cast(count - right, "float32"))
    return ops.sum(before, axis=1) < right + ops.cast(others, "int32")
