"""What methods that distil at a temperature have in common."""

from keras import ops

from keras_css.errors import UserError
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.methods.losses import kl_divergence
from keras_css.methods.losses import ramp_down
from keras_css.methods.losses import ramp_up
from keras_css.methods.method import Method
from keras_css.supervision import branch_labels
from keras_css_runtime.settings import NOT_NEGATIVE
from keras_css_runtime.settings import POSITIVE
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import Number

# A cohort of one network whose plain branches are the peers.
PLAIN_BRANCHES = {
    "num_branches": 3,
    "transformation": "none",
    "joint_labels": False,
}
# Of the published recipe; a training of any length takes the same shares.
RECIPE_EPOCHS = 300


class Distillation(Method):
    """A method with a temperature T, whose teaching sets in and may fade out.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e), see `ramp_up`; 0 teaches fully at once,
            None takes the published share of the training, 80 of 300 epochs.
        ramp_down_epochs: Over so many epochs at the end of training w(e)
            falls to 0, see `ramp_down`; 0 teaches fully to the end.
        run_epochs: Epochs of the whole training; 0 for those of `fit`.
        standardize: Whether networks learn from `standardized` logits, and
            compare their own likewise. Its authors take T = 2 and, of KD, a
            weight of 9.

    Raises:
        UserError: If an argument is out of range.
    """

    # What files keep beside the arguments; None until it is known.
    kept = ("fit_epochs",)
    # Of a training, where `ramp_up_epochs` says nothing.
    ramp_up_share = 80 / RECIPE_EPOCHS
    rules = {
        "temperature": POSITIVE,
        "ramp_up_epochs": Number(0, optional=True),
        "ramp_down_epochs": NOT_NEGATIVE,
        "run_epochs": NOT_NEGATIVE,
        "standardize": Flag(),
    }

    def __init__(
        self,
        temperature=3.0,
        ramp_up_epochs=0,
        ramp_down_epochs=0,
        run_epochs=0,
        standardize=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.temperature = temperature
        self.ramp_up_epochs = ramp_up_epochs
        self.ramp_down_epochs = ramp_down_epochs
        self.run_epochs = run_epochs
        self.standardize = standardize
        self.fit_epochs = None

    def begin_fit(self, epochs):
        before, self.fit_epochs = self.fit_epochs, epochs
        counts = self.counts_epochs and not self.run_epochs
        return bool(counts and before != epochs)

    @property
    def counts_epochs(self):
        """Whether the loss depends on how long the training is."""
        return self.ramp_up_epochs is None or bool(self.ramp_down_epochs)

    @property
    def all_epochs(self):
        """Epochs of the whole training, as far as they are known."""
        return self.run_epochs or self.fit_epochs or RECIPE_EPOCHS

    def ramp_up(self, epoch):
        """Returns w(e), the weight of what is taught."""
        epochs, length = self.all_epochs, self.ramp_up_epochs
        if length is None:
            length = share_of(self.ramp_up_share, epochs)
        weight = ramp_up(epoch, length)
        if not self.ramp_down_epochs:
            return weight
        return weight * ramp_down(epoch, self.ramp_down_epochs, epochs)

    def supervised(self, logits, labels, sample_weight=None):
        """Returns the sum over branches of CE, a mean over the batch.

        Args:
            logits: Tensor `(B, K, n)`.
            labels: Integer tensor `(B,)`, classes in [0, C), or a
                distribution over them `(B, C)`.
            sample_weight: As in `batch_mean`.
        """
        targets = branch_labels(labels, logits, self.num_classes)
        values = cross_entropy(logits, targets)
        return logits.shape[2] * batch_mean(values, sample_weight)

    def divergence(self, target, logits, epsilon=0.0):
        """Returns KL(target || logits) at T, without T^2, as `kl_divergence`.

        What a method compares goes through here, so that `standardize` holds
        for all of it.
        """
        return kl_divergence(
            self.compared(target),
            self.compared(logits),
            self.temperature,
            epsilon,
        )

    def taught(self, target, logits, sample_weight=None, epsilon=0.0):
        """Returns T^2 KL(target || logits), a mean over batch and branches.

        Args:
            target: Tensor `(B, K)` or `(B, K, n)`; gradients stop here.
            logits: Tensor `(B, K)` or `(B, K, n)`; a target without branches
                teaches all of them.
            sample_weight: As in `batch_mean`.
            epsilon: As in `kl_divergence`.
        """
        target = ops.stop_gradient(target)
        if len(target.shape) < len(logits.shape):
            target = target[:, :, None]
        kl = self.divergence(target, logits, epsilon)
        return self.temperature**2 * batch_mean(kl, sample_weight)

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "ramp_up_epochs": self.ramp_up_epochs,
            "ramp_down_epochs": self.ramp_down_epochs,
            "run_epochs": self.run_epochs,
            "standardize": self.standardize,
            **{name: getattr(self, name) for name in self.kept},
        }

    @classmethod
    def from_config(cls, config):
        arguments = {k: v for k, v in config.items() if k not in cls.kept}
        method = super().from_config(arguments)
        for name in cls.kept:
            setattr(method, name, config.get(name))
        return method


class RampedDistillation(Distillation):
    """A method whose teaching sets in slowly, by default as published."""

    def __init__(self, temperature=3.0, ramp_up_epochs=None, **kwargs):
        super().__init__(temperature, ramp_up_epochs, **kwargs)

    @classmethod
    def run_options(cls, epochs):
        return {"ramp_up_epochs": share_of(cls.ramp_up_share, epochs)}


def share_of(share, epochs):
    """Returns a share of a training's epochs, at least one."""
    return max(1, round(share * epochs))


def check_plain(method, networks, fewest=1, most=None):
    """Raises `UserError` unless all networks have enough plain branches.

    Args:
        method: The method that asks.
        networks: Dict from name to network.
        fewest: Least branches of each network.
        most: Most branches, or None.
    """
    title = type(method).__name__
    for name, network in networks.items():
        count = network.num_branches
        if network.main_branch or (network.joint_labels and count > 1):
            raise UserError(
                f"{title} needs plain branches, received joint labels or a "
                f"main branch in {name}: give it joint_labels=False and "
                "main_branch=False."
            )
        if getattr(network, "on_images", False):
            raise UserError(
                f"{title} needs branches that see the same images, received "
                f"transformation={network.transformation!r} in {name}: give "
                "it one of features, or none, or take CSS."
            )
        if count < fewest or (most is not None and count > most):
            wanted = f"{fewest}" if fewest == most else f"at least {fewest}"
            unit = "branch" if wanted.endswith("1") else "branches"
            raise UserError(
                f"{title} needs networks of {wanted} {unit}, received "
                f"num_branches={count} in {name}."
            )
