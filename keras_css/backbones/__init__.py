"""The architectures, by name."""

from functools import partial

from keras_css.backbones.backbone import Backbone
from keras_css.backbones.cifar_resnet import CifarResNet
from keras_css.backbones.imagenet_resnet import ImageNetResNet
from keras_css.errors import UserError
from keras_css.registry import Registry

BACKBONES = Registry(
    "backbone",
    {
        "resnet8": partial(CifarResNet, "basic", (1, 1, 1)),
        "resnet14": partial(CifarResNet, "basic", (2, 2, 2)),
        "resnet20": partial(CifarResNet, "basic", (3, 3, 3)),
        "resnet32": partial(CifarResNet, "basic", (5, 5, 5)),
        "resnet44": partial(CifarResNet, "basic", (7, 7, 7)),
        "resnet56": partial(CifarResNet, "basic", (9, 9, 9)),
        "resnet110": partial(CifarResNet, "basic", (18, 18, 18)),
        "resnet56_bottleneck": partial(CifarResNet, "bottleneck", (6, 6, 6)),
        "resnet110_bottleneck": partial(
            CifarResNet, "bottleneck", (12, 12, 12)
        ),
        "wrn20_8": partial(CifarResNet, "bottleneck", (2, 2, 2), inner_width=8),
        "resnet18": partial(ImageNetResNet, "basic", (2, 2, 2, 2)),
        "resnet34": partial(ImageNetResNet, "basic", (3, 4, 6, 3)),
        "resnet50": partial(ImageNetResNet, "bottleneck", (3, 4, 6, 3)),
    },
)


def get(backbone):
    """Returns a backbone from its name, or the one that is given.

    Raises:
        UserError: If the name is unknown or the object is no backbone.
    """
    if isinstance(backbone, str):
        return BACKBONES.get(backbone)()
    if isinstance(backbone, Backbone):
        return backbone
    raise UserError(
        "A backbone must be a known name or a keras_css.backbones.Backbone. "
        f"Received: backbone={backbone!r}"
    )


__all__ = ["BACKBONES", "Backbone", "CifarResNet", "ImageNetResNet", "get"]
