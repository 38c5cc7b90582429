"""What `scale.py` lets grow, one size at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace


@dataclass(frozen=True)
class Axis:
    """What grows.

    Attributes:
        values: Where it is looked at unless `--values` says otherwise.
        case: Name of the case that the rest is taken from.
        grow: Function from that `Case` and a value to the case of a point.
        size: Function from a value to what time should be linear in.
        unit: Name of that size.
        time: What is timed, `"step"` or `"epoch"`.
    """

    values: tuple
    grow: Callable
    unit: str
    case: str = "bottleneck_222"
    size: Callable = int
    time: str = "step"


AXES = {
    "batch_size": Axis(
        (8, 16, 32, 64, 128),
        lambda case, value: replace(case, batch_size=value),
        "images a step",
    ),
    "branches": Axis(
        (1, 2, 3, 4),
        lambda case, value: replace(case, branches=value),
        "branches",
    ),
    "networks": Axis(
        (1, 2, 3, 4),
        lambda case, value: replace(case, networks=case.networks[:1] * value),
        "networks",
    ),
    "image_size": Axis(
        (16, 24, 32, 48, 64),
        lambda case, value: replace(case, image_size=value),
        "pixels",
        size=lambda value: value**2,
    ),
    # Of a small cohort, so that feeding has its part in the time.
    "dataset_size": Axis(
        (1024, 2048, 4096, 8192),
        lambda case, value: replace(
            case, batches=max(1, value // case.batch_size)
        ),
        "images",
        case="resnet8",
        time="epoch",
    ),
}
