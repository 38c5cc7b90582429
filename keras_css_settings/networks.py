"""What trains: the networks of a cohort, what they begin with."""

import dataclasses
from typing import Any

from keras_css_runtime.errors import UserError
from keras_css_runtime.settings import COUNT
from keras_css_runtime.settings import Choice
from keras_css_runtime.settings import Flag
from keras_css_settings.setting import Name
from keras_css_settings.setting import Settings
from keras_css_settings.setting import Text
from keras_css_settings.setting import setting

NETWORKS = ("network_a", "network_b", "network_c", "network_d")
WEIGHTS = ("weights_a", "weights_b", "weights_c", "weights_d")
# Each is built before a step is made: thousands would take hours.
MOST_BRANCHES = 64
BACKBONE = Name("backbones")


def _weights(letter: str) -> Any:
    return setting(
        None,
        Text(),
        f"What network_{letter} begins with: a file .keras, 'imagenet' "
        "(published weights of an applications: backbone, downloaded once) or "
        "'none'.",
    )


@dataclasses.dataclass(frozen=True)
class Networks(Settings):
    """The networks of a cohort."""

    network_a: str | None = setting(
        None,
        BACKBONE,
        "Backbone of the first network: a name such as resnet20, "
        "applications:MobileNetV2@block_13_expand (a model of "
        "keras.applications, cut at a layer), or model:FILE.keras@LAYER. "
        "'python scripts/models.py' lists names and cut points.",
    )
    network_b: str | None = setting(
        None,
        BACKBONE,
        "Backbone of the second; 'none' for a single network. Default: that of "
        "the first, as many networks as the method has.",
    )
    network_c: str | None = setting(
        None, BACKBONE, "Backbone of a third network."
    )
    network_d: str | None = setting(None, BACKBONE, "Backbone of a fourth one.")
    weights_a: str | None = _weights("a")
    weights_b: str | None = _weights("b")
    weights_c: str | None = _weights("c")
    weights_d: str | None = _weights("d")
    freeze: str = setting(
        "none",
        Choice(("none", "trunk", "batch_norm")),
        "What of the trunks does not train: nothing, all, or their BatchNorm.",
    )
    branches: int | None = setting(
        None,
        COUNT,
        "Branches of each network; default the transformation's or the "
        "method's.",
    )
    transformation: str | None = setting(
        None,
        Name("supervision/transformations"),
        "What tells branches apart: {names}. docs/methods.md says which are of "
        "images.",
    )
    joint_labels: bool | None = setting(
        None, Flag(), "Whether heads predict class x transformation."
    )
    precision: str = setting(
        "float32",
        Choice(("float32", "mixed_bfloat16", "mixed_float16")),
        "Of the networks while they train. What is saved and measured in the "
        "end is float32.",
    )

    ship: str = setting(
        "all",
        Text(),
        "Networks that the best student may be cut from, commas between, such "
        "as network_a: a larger network_b then only teaches.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.branches is not None and self.branches > MOST_BRANCHES:
            raise UserError(
                f"--branches must be at most {MOST_BRANCHES}, received "
                f"{self.branches}."
            )
