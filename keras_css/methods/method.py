"""What a method is: how the networks of a cohort teach each other."""

import keras

from keras_css.errors import UserError
from keras_css.methods.contract import check_signatures
from keras_css.methods.contract import check_terms
from keras_css.methods.losses import standardized
from keras_css.supervision import aggregate
from keras_css.supervision import member_logits
from keras_css_runtime.settings import check_arguments


class Method(keras.layers.Layer):
    """Base class of all methods: one loss over a cohort's outputs.

    A subclass defines `compute_losses`, and what differs from the defaults:
    `call_networks` where networks are not just called on their images,
    `student_parts` where students are other means of branches than networks
    and their ensemble, `students` for predictors that are measured but cannot
    be cut out. Layers of the method's own (a gate, an attention) are made in
    `build`, or in `meet` where `call_networks` needs them: they train and are
    saved with the cohort and never reach a student. State that follows the
    weights (a moving average of them) is moved in `after_step`.

    Attributes:
        minimum_networks: The smallest cohort that the method works on.
        cohort_size: Networks a command builds when the user says nothing.
        network_defaults: What each of them then gets as arguments of
            `MultiBranchNetwork`.
        augment_each_view: Whether each view of an image has random changes of
            its own unless the user says otherwise.
        class_pairs: Whether a command's batches hold pairs of a class.
        wants_teacher: Whether it learns from finished teachers: it then finds
            `TEACHERS` of `from_teachers` in the outputs, except where nobody
            teaches (evaluation of a cohort that was loaded).
        looks_inside: Whether it then asks teachers itself, by `ask_teachers`,
            for more than logits.
        standardize: Whether networks learn from standardised logits.
        rules: Dict from an argument's name to its
            `keras_css_runtime.settings.Rule`. A subclass names its own; those
            of its base hold, too.
        num_classes: C, known once the method has met its networks.
        term_names: Names of the loss terms, known once the method is built.
        student_names: Names of the students, likewise, in their order.
    """

    minimum_networks = 1
    cohort_size = 2
    network_defaults = {
        "num_branches": 1,
        "transformation": "none",
        "joint_labels": False,
    }
    augment_each_view = False
    class_pairs = False
    wants_teacher = False
    looks_inside = False
    standardize = False
    rules = {}

    def __new__(cls, *args, **kwargs):
        check_arguments(cls, args, kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_classes = None
        self.branch_counts = {}
        self.main_branches = {}
        self.term_names = None
        self.student_names = None

    def meet(self, networks):
        """Checks that the method can work on this cohort; called once.

        Args:
            networks: Dict from `"network_a"`, ... to the networks.

        Raises:
            UserError: If the cohort does not suit the method, or a function
                of a subclass does not take what it is given.
        """
        title = type(self).__name__
        if self.num_classes is not None:
            raise UserError(
                f"A method serves one cohort, received a {title} that has one: "
                "make a new one."
            )
        check_signatures(self, Method)
        if len(networks) < self.minimum_networks:
            raise UserError(
                f"{title} needs at least {self.minimum_networks} networks, "
                f"received {len(networks)}: add one."
            )
        classes = sorted({n.num_classes for n in networks.values()})
        if len(classes) != 1:
            raise UserError(
                "All networks of a cohort need the same num_classes, "
                f"received {classes}."
            )
        self.num_classes = classes[0]
        self.branch_counts = {
            name: network.num_branches for name, network in networks.items()
        }
        # The main branch comes after the others.
        self.main_branches = {
            name: network.num_branches
            for name, network in networks.items()
            if network.main_branch
        }

    def meet_teachers(self, teachers):
        """Returns teachers as the method asks them; called when they come.

        Args:
            teachers: Tuple of `Teacher`s of the cohort's classes, may be empty.

        Raises:
            UserError: If they do not suit the method.
        """
        return teachers

    def ask_teachers(self, teachers, views, training):
        """Returns what teachers say of a batch, if the method `looks_inside`.

        Args:
            teachers: Those of `meet_teachers`.
            views: As of `call_networks`.
            training: Whether this is a training step.

        Returns:
            What the method finds as `TEACHERS` in the outputs.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define ask_teachers."
        )

    def compared(self, logits):
        """Returns logits `(B, K, ...)` as networks learn from them."""
        return standardized(logits) if self.standardize else logits

    @classmethod
    def run_options(cls, epochs):
        """Returns arguments that a run writes down where nothing is said."""
        return {}

    def begin_fit(self, epochs):
        """Hears of a `fit`; returns whether compiled steps are out of date.

        Args:
            epochs: Those in which the whole training ends.
        """
        return False

    @property
    def own_networks(self):
        """Dict from name to the networks that students may be cut from, too.

        They belong to the method (averaged copies) and are not trained.
        """
        return {}

    def view_names(self, networks):
        """Returns the names of the views of an image, one a network."""
        return list(networks)

    def call_networks(self, networks, views, training=None):
        """Returns the outputs of the cohort.

        Args:
            networks: Dict from name to network.
            views: Dict from each of `view_names` to images; in inference all
                are the same tensor.
            training: Whether this is a training step.

        Returns:
            Dict from network name (those of `own_networks` included) to
            `{"logits": (B, K, n), "features": (B, D, n)}` and whatever else
            the method needs.
        """
        return {
            name: network(views[name], training=training)
            for name, network in networks.items()
        }

    def begin(self, networks):
        """Sets the method's own state once the networks have weights."""

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        """Returns the named loss terms of a batch and their sum.

        Args:
            outputs: What `call_networks` returned.
            labels: Integer tensor `(B,)`, classes in [0, C), or a float
                distribution over them `(B, C)`; `branch_labels`,
                `cross_entropy`, `plain_cross_entropy` and `hard_labels` take
                both.
            sample_weight: Float tensor `(B,)` or None.
            epoch: Float scalar, 0 in the first epoch, for ramp-ups.
            training: To be passed to layers of the method's own.

        Returns:
            Dict of scalars; `"loss"` is what is minimised, the others
            (`"network_a/ce"`, ...) are logged under their names.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define compute_losses."
        )

    def student_parts(self):
        """Returns the deployable predictors that a cohort holds.

        Metrics, selection and export all use this one table.

        Returns:
            Dict from student name to what it consists of: a dict from
            `(network name, branch)` to the weight of that branch's class
            logits. Cheapest kind first: `network_a/branch_0` (plain backbone
            cost) and `network_a/main`, `network_a` (mean of its branches but
            the main one), `ensemble` (mean of the networks).
        """
        branches, networks = {}, {}
        for network, count in self.branch_counts.items():
            members = [(network, i) for i in range(count)]
            for i, member in enumerate(members):
                branches[f"{network}/branch_{i}"] = {member: 1.0}
            if network in self.main_branches:
                branches[f"{network}/main"] = {(network, count): 1.0}
            networks[network] = dict.fromkeys(members, 1.0 / count)
        parts = {**branches, **networks}
        if len(networks) > 1:
            parts["ensemble"] = {
                member: weight / len(networks)
                for whole in networks.values()
                for member, weight in whole.items()
            }
        return parts

    def students(self, outputs):
        """Returns every student's logits.

        Args:
            outputs: As for `compute_losses`.

        Returns:
            Dict from student name to logits `(B, C)`, in the order of
            `student_parts`.
        """
        own = {
            name: member_logits(output, self.num_classes)
            for name, output in outputs.items()
        }
        return {
            name: aggregate(own, parts)
            for name, parts in self.student_parts().items()
        }

    def after_step(self, networks):
        """Moves the method's own state after an optimizer step."""

    def get_build_config(self):
        """Returns None: a method is built with the cohort that it meets."""

    def __call__(self, *args, **kwargs):
        try:
            return super().__call__(*args, **kwargs)
        except UserError as error:
            # The line itself, without what Keras writes round it.
            while isinstance(error.__context__, UserError):
                error = error.__context__
            raise error from None

    def call(self, outputs, labels, sample_weight=None):
        """Returns `{"losses": ..., "students": ...}`; builds own layers."""
        losses = self.compute_losses(outputs, labels, sample_weight)
        check_terms(self, losses)
        students = self.students(outputs)
        # Kept here because a traced call may return its dicts sorted.
        self.term_names = list(losses)
        self.student_names = list(students)
        return {"losses": losses, "students": students}
