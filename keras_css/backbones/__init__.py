"""The architectures, by name."""

from functools import partial

import keras

from keras_css.backbones.applications import application
from keras_css.backbones.applications import application_model
from keras_css.backbones.backbone import Backbone
from keras_css.backbones.cifar_resnet import CifarResNet
from keras_css.backbones.densenet import DenseNet
from keras_css.backbones.imagenet_resnet import ImageNetResNet
from keras_css.backbones.mobilenet_v2 import CifarMobileNetV2
from keras_css.backbones.model_file import model_file
from keras_css.backbones.shufflenet_v2 import CifarShuffleNetV2
from keras_css.backbones.split_model import SplitModel
from keras_css.backbones.split_model import split_model
from keras_css.backbones.split_model import suggest_splits
from keras_css.backbones.vgg import VGG
from keras_css.backbones.wide_resnet import WideResNet
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.registry import Registry
from keras_css.untrusted.keras_files import load_keras


class Backbones(Registry):
    """Names of backbones; `SOURCE:NAME@LAYER` is a model cut at a layer.

    Sources are `applications`, a model of `keras.applications`, and `model`,
    a file `.keras` of the user's own. Without `@LAYER` a layer is chosen.
    """

    sources = {"applications": application, "model": model_file}
    models = {"applications": application_model, "model": load_keras}

    def get(self, name):
        source, colon, model = name.partition(":")
        if not colon:
            return super().get(name)
        if source not in self.sources:
            raise unknown_name("source of backbones", source, self.sources)
        model, _, layer = model.partition("@")
        return partial(self.sources[source], model, layer or None)

    def model(self, name):
        """Returns the Keras model that a name with a source is cut from.

        Raises:
            UserError: If the name has no source, or the model cannot be had.
        """
        source, colon, model = name.partition(":")
        if not colon or source not in self.models:
            raise UserError(
                "A model that can be cut has a name such as "
                f"applications:MobileNetV2 or model:FILE.keras, received "
                f"'{name}': the backbones of this library are cut between "
                "their stages."
            )
        return self.models[source](model.partition("@")[0])


BACKBONES = Backbones(
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
        "vgg13": partial(VGG, (2, 2, 2, 2, 2)),
        "vgg16": partial(VGG, (2, 2, 3, 3, 3)),
        "wrn16_2": partial(WideResNet, 16, 2),
        "wrn40_1": partial(WideResNet, 40, 1),
        "wrn40_2": partial(WideResNet, 40, 2),
        "densenet40_12": partial(DenseNet, 40, 12),
        "cifar_mobilenetv2": CifarMobileNetV2,
        "cifar_shufflenetv2": CifarShuffleNetV2,
    },
)


def get(backbone, weights=None, image_shape=None):
    """Returns a backbone from its name, or the one that is given.

    Args:
        backbone: A name of `BACKBONES`, a `Backbone`, or a functional Keras
            model, which `split_model` cuts where it does by default.
        weights: `"imagenet"` for the published weights of a model of
            `applications:`; anything else has no effect here.
        image_shape: `(H, W, channels)` of the images, for weights that are
            published for several sizes.

    Raises:
        UserError: If the name is unknown, the object is no backbone, or there
            are no published weights.
    """
    if isinstance(backbone, str):
        make = BACKBONES.get(backbone)
        if weights != "imagenet":
            return make()
        if not backbone.startswith("applications:"):
            raise UserError(
                "Weights published for ImageNet exist for the backbones named "
                f"applications:NAME, received '{backbone}': give a file, or "
                "none."
            )
        return make(weights=weights, image_shape=image_shape)
    if isinstance(backbone, Backbone):
        return backbone
    if isinstance(backbone, keras.Model):
        return split_model(backbone)
    raise UserError(
        "A backbone must be a known name, a keras_css.backbones.Backbone or "
        "a functional Keras model. "
        f"Received: backbone={backbone!r}"
    )


__all__ = [
    "BACKBONES",
    "VGG",
    "Backbone",
    "CifarMobileNetV2",
    "CifarResNet",
    "CifarShuffleNetV2",
    "DenseNet",
    "ImageNetResNet",
    "SplitModel",
    "WideResNet",
    "get",
    "split_model",
    "suggest_splits",
]
