"""Everything that decides a run, checked where it enters."""

import dataclasses
import functools
import math
import types
import typing

from keras_css import backbones
from keras_css.data.catalogue import get_entry
from keras_css.data.load import DataRequest
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.methods import METHODS
from keras_css.precision import PRECISIONS
from keras_css.runs.method_options import check_options
from keras_css.runs.method_options import completed
from keras_css.runs.method_options import literal
from keras_css.runs.optimizer import OPTIMIZERS
from keras_css.runs.optimizer import SCHEDULES
from keras_css.supervision import TRANSFORMATIONS
from keras_css_runtime.settings import FRACTION
from keras_css_runtime.settings import MOST
from keras_css_runtime.settings import NOT_NEGATIVE
from keras_css_runtime.settings import Choice
from keras_css_runtime.settings import Number
from keras_css_runtime.shapes import fits

NETWORKS = ("network_a", "network_b", "network_c", "network_d")
WEIGHTS = ("weights_a", "weights_b", "weights_c", "weights_d")
# Each is built before a step is made: thousands would take hours.
MOST_BRANCHES = 64
SOME = Number(1, MOST, whole=True, optional=True)
ANY = Number(0, MOST, whole=True, optional=True)
FREEZE = ("none", "trunk", "batch_norm")


@dataclasses.dataclass(frozen=True)
class RunConfig(DataRequest):
    """The settings of a run; None means the data set's or method's default.

    Those of `DataRequest` are among them.

    Attributes:
        method: A name of `keras_css.methods.METHODS`.
        method_options: Dict of arguments of the method.
        network_a: Backbone of the first network.
        network_b: Backbone of the second one; `"none"` for a cohort of one.
        network_c, network_d: Likewise.
        weights_a, weights_b, weights_c, weights_d: What the networks begin
            with: path of a `.keras` file, `"imagenet"` for the published
            weights of an `applications:` backbone, `"none"` or None for
            random ones.
        freeze: What of the trunks does not train, one of `FREEZE`.
        pretrained_rate: Learning rate of trunks and tails that begin with
            given weights, relative to that of the others.
        branches: Branches of each network.
        transformation: A name of `TRANSFORMATIONS`.
        joint_labels: Whether heads have class x transformation columns.
        epochs: Epochs of the whole run.
        steps: Steps of the whole run instead, rounded up to whole epochs.
        batch_size: Images a step.
        optimizer: A name of `OPTIMIZERS`.
        learning_rate: Its full rate.
        momentum: Of SGD.
        nesterov: Whether SGD looks ahead.
        weight_decay: On every weight; of SGD coupled, of AdamW decoupled.
        schedule: Of the rate after warm-up, a name of `SCHEDULES`: a tenth
            at each of `lr_milestones`, or half a cosine down to nothing.
        warmup_epochs: Epochs of linear warm-up.
        lr_milestones: 1-based epochs from which the rate is 10 times lower.
        crop_padding: Pixels for random crops.
        random_resized_crop: Least area of a random part that is scaled to full
            size; 0 for none.
        horizontal_flip: Whether training images are mirrored at random.
        color_jitter: Strength of random brightness, contrast and saturation.
        rand_augment: Strength from 0 to 10 of two random changes an image; 0
            for none.
        cutout: Side of a random square without content; 0 for none.
        mixup: Alpha of mixup; 0 for none.
        cutmix: Alpha of CutMix; 0 for none.
        mix_probability: Share of the batches that are mixed.
        label_smoothing: Share of a label that all classes get alike.
        average_weights: Largest decay of averaged weights; 0 for none.
        augment_each_network: Whether every network (every branch where the
            method has it so) sees its own changes.
        precision: Of the networks while they train, a name of `PRECISIONS`;
            losses and statistics are in float32 always, and so are the
            networks that are measured at the end and saved.
        ship: Networks that students may ship from, commas between; or "all".
        seed: Of weights, order, augmentation and the validation part.
    """

    dataset: str = "digits"
    method: str = "css"
    method_options: dict = dataclasses.field(default_factory=dict)
    network_a: str | None = None
    network_b: str | None = None
    network_c: str | None = None
    network_d: str | None = None
    weights_a: str | None = None
    weights_b: str | None = None
    weights_c: str | None = None
    weights_d: str | None = None
    freeze: str = "none"
    pretrained_rate: float = 1.0
    branches: int | None = None
    transformation: str | None = None
    joint_labels: bool | None = None
    epochs: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    optimizer: str = "sgd"
    learning_rate: float | None = None
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: str = "steps"
    warmup_epochs: int | None = None
    lr_milestones: tuple | None = None
    crop_padding: int | None = None
    random_resized_crop: float | None = None
    horizontal_flip: bool | None = None
    color_jitter: float = 0.0
    rand_augment: float = 0.0
    cutout: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    mix_probability: float = 1.0
    label_smoothing: float = 0.0
    average_weights: float = 0.0
    augment_each_network: bool | None = None
    precision: str = "float32"
    ship: str = "all"

    # Commands have a flag for each.
    sign = "--"
    rules = {
        **DataRequest.rules,
        **dict.fromkeys(("branches", "epochs", "steps", "batch_size"), SOME),
        **dict.fromkeys(("warmup_epochs", "crop_padding", "cutout"), ANY),
        "freeze": Choice(FREEZE),
        **dict.fromkeys(("pretrained_rate", "color_jitter"), Number(0, 1)),
        "optimizer": Choice(OPTIMIZERS),
        "learning_rate": Number(
            0, 10**6, above=True, below=True, optional=True
        ),
        **dict.fromkeys(("momentum", "average_weights"), FRACTION),
        "weight_decay": NOT_NEGATIVE,
        "schedule": Choice(SCHEDULES),
        "random_resized_crop": Number(0, 1, optional=True),
        "rand_augment": Number(0, 10),
        **dict.fromkeys(("mixup", "cutmix"), Number(0, 100)),
        "mix_probability": Number(0.001, 1),
        "label_smoothing": Number(0, 0.999),
        "precision": Choice(PRECISIONS),
    }

    def __post_init__(self):
        self._check_types()
        super().__post_init__()
        get_entry(self.dataset)
        check_options(self.method, self.method_options)
        for key in NETWORKS:
            name = getattr(self, key)
            if name is not None and (key == "network_a" or name != "none"):
                backbones.BACKBONES.get(name)
        if self.transformation is not None:
            TRANSFORMATIONS.get(self.transformation)
        if self.epochs is not None and self.steps is not None:
            raise UserError(
                f"--steps {self.steps} stands instead of --epochs, received "
                f"--epochs {self.epochs}, too: leave one of them out."
            )
        if self.branches is not None and self.branches > MOST_BRANCHES:
            raise UserError(
                f"--branches must be at most {MOST_BRANCHES}, received "
                f"{self.branches}."
            )
        if self.optimizer != "sgd" and (
            self.nesterov or self.pretrained_rate != 1
        ):
            raise UserError(
                "--nesterov and --pretrained_rate belong to --optimizer sgd, "
                f"received --optimizer {self.optimizer}: leave them out."
            )
        if self.schedule == "cosine" and self.lr_milestones:
            raise UserError(
                "--lr_milestones belong to --schedule steps, received "
                "--schedule cosine: leave them out."
            )

    def _check_types(self):
        """Raises `UserError` for what could not be compared with limits."""
        for key, kind in _kinds().items():
            value = getattr(self, key)
            if not fits(
                list(value) if isinstance(value, tuple) else value, kind
            ):
                raise UserError(
                    f"--{key} must be {_words(kind)}, received {value!r}."
                )
        if self.image_size is not None and len(self.image_size) != 2:
            raise UserError(
                "--image_size must be height and width, received "
                f"{self.image_size!r}."
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
        return dataclasses.replace(
            self, **{**missing, "steps": None}, method_options=options
        )

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
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UserError(
                f"A run's configuration must have known settings, received "
                f"{', '.join(unknown)}: was it written by another version?"
            )
        values = dict(values)
        for key in ("lr_milestones", "image_size"):
            if isinstance(values.get(key), list):
                values[key] = tuple(values[key])
        return cls(**values)


# What one method of a comparison may have otherwise than the others: how it
# trains, not on what.
OF_ONE_METHOD = tuple(
    field.name
    for field in dataclasses.fields(RunConfig)
    if field.name not in {f.name for f in dataclasses.fields(DataRequest)}
    and field.name not in ("method", "method_options", "lr_milestones")
)


@functools.cache
def _kinds():
    """Returns a dict from each setting to its shape, see `shapes.fits`."""
    hints = typing.get_type_hints(RunConfig)
    return {
        field.name: tuple(map(_kind, typing.get_args(hints[field.name])))
        or _kind(hints[field.name])
        for field in dataclasses.fields(RunConfig)
    }


def _kind(hint):
    if hint is types.NoneType:
        return None
    return [int] if hint is tuple else hint


def _words(kind):
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join(WORDS[str(one)] for one in kinds if one is not None)


WORDS = {
    str(str): "a text",
    str(int): "a whole number",
    str(float): "a number",
    str(bool): "true or false",
    str(dict): "a table of options",
    str([int]): "a list of whole numbers",
}


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
        kinds = _kinds()[name]
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        value = text if str in kinds else literal(text)
        if float in kinds and type(value) is int:
            value = float(value)
        if value is None or not fits(value, kinds):
            raise UserError(
                f"Setting {name} must be {_words(kinds)}, received '{text}'."
            )
        settings[name] = value
    return settings
