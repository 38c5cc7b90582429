"""The models of `keras.applications` as backbones, by name."""

import inspect

import keras
import numpy as np

from keras_css.backbones.split_model import split_model
from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.errors import unknown_name


def application(name, at=None, weights=None):
    """Returns a model of `keras.applications` as a backbone.

    It takes RGB images of any size that its strides allow, and ends in its
    last feature map, pooled (MobileNetV3's further 1x1 convolution and VGG's
    dense layers belong to the classifier there). Its `normalisation` is the
    one that its published weights were trained with.

    Args:
        name: For example `"MobileNetV2"`.
        at: Layer at which it is split; default as of `split_model`.
        weights: `"imagenet"` for the published weights, which Keras downloads
            once, or None.

    Returns:
        A `SplitModel`; every branch starts with the published weights, or
        without them with weights of its own.

    Raises:
        UserError: If there is no such model or layer, or the weights cannot
            be had.
    """
    build = _builder(name)
    model = application_model(name, weights)
    backbone = split_model(model, at, copy_weights=weights is not None)
    backbone.normalisation, swapped = _normalisation(build)
    if swapped and weights is not None:
        backbone.swap_red_and_blue()
    return backbone


def application_model(name, weights=None):
    """Returns a model of `keras.applications` without its classifier.

    Args:
        name, weights: As of `application`.

    Raises:
        UserError: Likewise.
    """
    build = _builder(name)
    try:
        return build(
            weights=weights, include_top=False, input_shape=(None, None, 3)
        )
    except Exception as error:
        if weights is None:
            raise
        raise UserError(
            f"The published weights of {name} must be downloadable or in "
            f"Keras' cache, received: {first_line(error)}"
        ) from error


def _builder(name):
    known = [key for key in dir(keras.applications) if key[0].isupper()]
    if name not in known:
        raise unknown_name("model of keras.applications", name, known)
    return getattr(keras.applications, name)


def _normalisation(build):
    """Returns `(scale, offset)` of RGB pixels, and whether BGR is meant.

    They are read off what the model's own `preprocess_input` makes of a few
    pixels; where the model normalises inside, that is nothing.
    """
    preprocess = inspect.getmodule(build).preprocess_input
    pixels = np.concatenate([np.zeros((1, 3)), np.eye(3)]).astype("float32")
    seen = preprocess(pixels.reshape(4, 1, 1, 3).copy()).reshape(4, 3)
    scales = seen[1:] - seen[0]
    swapped = abs(scales[0, 2]) > abs(scales[0, 0])
    if swapped:
        seen, scales = seen[:, ::-1], scales[:, ::-1]
    return (np.diag(scales).tolist(), seen[0].tolist()), bool(swapped)
