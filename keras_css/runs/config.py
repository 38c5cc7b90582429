"""Everything that decides a run, checked where it enters."""

import dataclasses
import math

from keras_css.backbones import BACKBONES
from keras_css.data.catalogue import get_entry
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.methods import METHODS
from keras_css.runs.cohort import sees_images_as_they_are
from keras_css.runs.method_options import check_options
from keras_css.runs.method_options import completed
from keras_css.supervision import TRANSFORMATIONS
from keras_css_settings import Augmentation
from keras_css_settings import DataRequest
from keras_css_settings import Method
from keras_css_settings import Networks
from keras_css_settings import Optimisation
from keras_css_settings.networks import NETWORKS
from keras_css_settings.networks import WEIGHTS
from keras_css_settings.setting import fields_of


@dataclasses.dataclass(frozen=True)
class RunConfig(Augmentation, Optimisation, Method, Networks, DataRequest):
    """The settings of a run; None means the data set's or method's default.

    They are declared in `keras_css_settings`, one place each.
    """

    # Commands have a flag for each.
    sign = "--"

    def __post_init__(self):
        super().__post_init__()
        get_entry(self.dataset)
        check_options(self.method, self.method_options)
        for key in NETWORKS:
            name = getattr(self, key)
            if name is not None and (key == "network_a" or name != "none"):
                BACKBONES.get(name)
        if self.transformation is not None:
            TRANSFORMATIONS.get(self.transformation)
        if self.teacher_views and not self.teacher:
            raise UserError(
                "--teacher_views are for what teachers say, received no "
                "--teacher: give one, or leave it out."
            )
        inside = METHODS.get(self.method).looks_inside
        if self.teacher_views and inside:
            raise UserError(
                "--teacher_views keep a teacher's predictions, but --method "
                f"{self.method} learns from its layers, too: leave one of "
                "them out."
            )
        if self.teacher_views and (self.mixup or self.cutmix):
            raise UserError(
                "--teacher_views keep what teachers say of an image, but "
                "--mixup and --cutmix make new ones of two in each step: leave "
                "one of them out."
            )

    def complete(self, dataset):
        """Returns a copy in which no setting is None but `data_dir`.

        Args:
            dataset: The `Dataset`, whose recipe has the settings that suit it.
        """
        recipe = dataset.recipe
        epochs = self._epochs_on(dataset)
        options = completed(self.method, self.method_options, epochs)
        method = METHODS.get(self.method)(**options)
        network = self.network_settings(method, dataset.image_shape)
        defaults = {
            **dataclasses.asdict(recipe),
            "epochs": epochs,
            **self._other_networks(recipe, method.cohort_size),
            "image_size": dataset.image_shape[:2],
            "branches": network["num_branches"],
            "transformation": network["transformation"],
            "joint_labels": network["joint_labels"],
            "augment_each_network": method.augment_each_view,
            # The reference recipe: 5, 150 and 225 of 300 epochs.
            "warmup_epochs": min(5, epochs // 10),
            "lr_milestones": ()
            if self.schedule == "cosine"
            else (
                max(2, (epochs + 1) // 2),
                max((epochs + 1) // 2 + 1, 3, 3 * epochs // 4),
            ),
        }
        missing = {
            key: value
            for key, value in defaults.items()
            if getattr(self, key) is None
        }
        whole = dataclasses.replace(
            self, **{**missing, "steps": None}, method_options=options
        )
        if whole.teacher_views is not None:
            return whole
        once = self.teacher and not method.looks_inside
        once = once and sees_images_as_they_are(whole, dataset)
        return dataclasses.replace(whole, teacher_views=int(bool(once)))

    def _epochs_on(self, dataset):
        """Returns the epochs of a run on a data set."""
        if self.steps is None:
            return self.epochs or dataset.recipe.epochs
        size = self.batch_size or dataset.recipe.batch_size
        return math.ceil(self.steps / max(1, len(dataset.train) // size))

    def network_settings(self, method, image_shape=(None, None, None)):
        """Returns the arguments of `MultiBranchNetwork` that settings decide.

        Args:
            method: The `Method`, whose defaults hold where nothing is said.
            image_shape: `(H, W, channels)`, None where not known. A
                transformation that was named may choose the branches of a
                method with several of them.
        """
        said = {
            "num_branches": self.branches,
            "transformation": self.transformation,
            "joint_labels": self.joint_labels,
            "dtype": self.precision,
        }
        said = {key: value for key, value in said.items() if value is not None}
        defaults = dict(method.network_defaults)
        if self.transformation is not None and defaults["num_branches"] > 1:
            chosen = TRANSFORMATIONS.get(self.transformation)()
            own = chosen.default_branches(image_shape)
            defaults["num_branches"] = own or defaults["num_branches"]
        return {**defaults, **said}

    def _other_networks(self, recipe, count):
        """Returns the networks beside the first where nothing is said.

        The first one's, or the data set's own two in turn, as many as the
        method's cohort has.
        """
        first = self.network_a or recipe.network_a
        second = self.network_b or self.network_a or recipe.network_b
        turns = [first, second if second != "none" else first] * 2
        return {
            key: turns[i] if i < count else "none"
            for i, key in enumerate(NETWORKS)
        }

    @property
    def networks(self):
        """The backbones of the cohort, in order; the settings are complete."""
        names = [getattr(self, key) for key in NETWORKS]
        return [name for name in names if name != "none"]

    @property
    def weights(self):
        """What each network of the cohort begins with, None for nothing."""
        given = [getattr(self, key) for key in WEIGHTS[: len(self.networks)]]
        return [None if text == "none" else text for text in given]

    def to_json(self):
        """Returns a dict that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values):
        """Returns the configuration of such a dict.

        Raises:
            UserError: If the dict does not fit, for example a damaged file.
        """
        if not isinstance(values, dict):
            raise UserError(
                "A run's configuration must be a table of settings, received "
                f"a {type(values).__name__}."
            )
        unknown = sorted(set(values) - set(fields_of(cls)))
        if unknown:
            raise UserError(
                f"A run's configuration must have known settings, received "
                f"{', '.join(unknown)}: was it written by another version?"
            )
        return cls(**values)


# What one method of a comparison may have otherwise than the others: how it
# trains, not on what. A list of epochs would end at its first comma.
OF_TEACHERS = ("teacher_weight", "teacher_temperature")
OF_ONE_METHOD = {
    **fields_of(Networks, Optimisation, Augmentation),
    **{name: fields_of(Method)[name] for name in OF_TEACHERS},
}
del OF_ONE_METHOD["lr_milestones"]


def parse_settings(assignments):
    """Returns settings of `RunConfig` from `name=value` texts.

    Args:
        assignments: List of texts such as `"cutmix=1"`, names of
            `OF_ONE_METHOD`.

    Raises:
        UserError: If a name is no such setting or a value is of another kind.
    """
    settings = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in OF_ONE_METHOD:
            raise unknown_name("setting", name, OF_ONE_METHOD)
        rule = OF_ONE_METHOD[name].metadata["rule"]
        settings[name] = value = rule.parse(text)
        if isinstance(value, str):
            rule.check(f"Setting {name}", value)
    return settings
