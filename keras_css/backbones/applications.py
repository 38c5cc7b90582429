"""The models of `keras.applications` as backbones, by name."""

import inspect
import itertools
from functools import partial

import keras
import numpy as np

from keras_css.backbones.split_model import split_model
from keras_css.copies import derive_state
from keras_css.copies import take_weights
from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.errors import unknown_name

# Pixels a side for which Keras publishes weights of their own. Where others
# are asked for, and for an unknown size, it gives those of the largest.
PUBLISHED_SIDES = {
    "MobileNet": (128, 160, 192, 224),
    "MobileNetV2": (96, 128, 160, 192, 224),
}


def application(name, at=None, weights=None, image_shape=None):
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
        image_shape: `(H, W, channels)` of the images, for weights that are
            published for several sizes; the backbone takes any size.

    Returns:
        A `SplitModel`; every branch starts with the published weights, or
        without them with weights of its own.

    Raises:
        UserError: If there is no such model or layer, or the weights cannot
            be had.
    """
    build = builder(name)
    model = application_model(name, weights, image_shape)
    backbone = split_model(model, at, copy_weights=weights is not None)
    backbone.normalisation, swapped = normalisation(build)
    if swapped and weights is not None:
        backbone.swap_red_and_blue()
    return backbone


def application_model(name, weights=None, image_shape=None):
    """Returns a model of `keras.applications` without its classifier.

    It has the same layers with published weights and without, so that a run
    that goes on needs them no more.

    Args:
        name, weights, image_shape: As of `application`.

    Raises:
        UserError: Likewise.
    """
    build = partial(builder(name), include_top=False)
    model = build(weights=None, input_shape=(None, None, 3))
    if weights is None:
        return model
    side = _published_side(name, image_shape)
    try:
        published = build(weights=weights, input_shape=(side, side, 3))
    except Exception as error:
        raise UserError(
            f"The published weights of {name} must be downloadable or in "
            f"Keras' cache, received: {first_line(error)}"
        ) from error
    take_weights(model, published)
    _fold_rescaling(model, published)
    return model


def _published_side(name, image_shape):
    """Returns the side that names the file of weights; None if none does."""
    sides = PUBLISHED_SIDES.get(name)
    if sides is None:
        return None
    height, width = (image_shape or (None, None))[:2]
    return height if height == width and height in sides else sides[-1]


def _fold_rescaling(model, published):
    """EfficientNet with weights rescales what it has normalised, else not."""
    for layer, after in itertools.pairwise(published.layers):
        normalises = isinstance(layer, keras.layers.Normalization)
        if normalises and isinstance(after, keras.layers.Rescaling):
            own = model.layers[published.layers.index(layer)]
            mean, variance, count = layer.get_weights()
            scale = np.asarray(after.scale)
            own.set_weights([mean, variance / scale**2, count])
            derive_state(own)


def builder(name):
    """Returns the function of keras.applications that makes a model."""
    known = [key for key in dir(keras.applications) if key[0].isupper()]
    if name not in known:
        raise unknown_name("model of keras.applications", name, known)
    return getattr(keras.applications, name)


def normalisation(build):
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
