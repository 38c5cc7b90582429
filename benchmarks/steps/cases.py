"""The cohorts whose training step is timed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkSpec:
    """A ResNet in numbers, for us and for the plain PyTorch step alike.

    Attributes:
        stem: `"cifar"` (3x3, 16 filters) or `"imagenet"` (7x7 stride 2, 64
            filters, 3x3 max pooling stride 2).
        block: `"basic"` or `"bottleneck"`.
        blocks: Blocks of each stage; the last stage is the branches'.
    """

    stem: str
    block: str
    blocks: tuple


@dataclass(frozen=True)
class Case:
    """Networks, trained by CSS (released form), and their input.

    Attributes:
        networks: Their specs; a single one trains by itself.
        image_size: Height and width in pixels.
        batch_size: Images a step.
        branches: n.
        classes: C.
        batches: Batches held on the device; steps go round them.
        rate: Learning rate; small where depth makes much of rounding, so that
            losses can be compared.
    """

    networks: tuple
    image_size: int = 32
    batch_size: int = 32
    branches: int = 3
    classes: int = 100
    batches: int = 8
    rate: float = 0.1


def _pair(stem, block, one, other=None):
    specs = (one, other or one)
    return tuple(NetworkSpec(stem, block, blocks) for blocks in specs)


CASES = {
    "resnet8": Case(_pair("cifar", "basic", (1, 1, 1))),
    "bottleneck_222": Case(_pair("cifar", "bottleneck", (2, 2, 2))),
    "resnet110_56": Case(
        _pair("cifar", "bottleneck", (12, 12, 12), (6, 6, 6)),
        rate=0.01,
    ),
    "resnet18_96": Case(
        _pair("imagenet", "basic", (2, 2, 2, 2)), image_size=96
    ),
    "tiny": Case(
        _pair("cifar", "basic", (1, 1, 1)),
        image_size=8,
        batch_size=4,
        classes=3,
    ),
}
