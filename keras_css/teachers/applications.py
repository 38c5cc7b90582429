"""Published classifiers of keras.applications as teachers."""

import hashlib

import keras

from keras_css.backbones.applications import builder
from keras_css.backbones.applications import normalisation
from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.teachers.teacher import Teacher

CLASSES = 1000


def application_teacher(name, text, num_classes):
    """Returns a model of keras.applications with its published weights.

    Args:
        name: For example `"ResNet50"`.
        text: What the user wrote, for messages.
        num_classes: Of the data, which must be ImageNet's.

    Raises:
        UserError: If there is no such model, the data have other classes, or
            the weights cannot be had.
    """
    build = builder(name)
    if num_classes != CLASSES:
        raise UserError(
            f"Teacher '{text}' knows the {CLASSES:,} classes of ImageNet, "
            f"received data of {num_classes}: train it on them as a network "
            f"first (--network_a applications:{name} --weights_a imagenet) "
            "and give that run."
        )
    try:
        model = build(weights="imagenet", classifier_activation=None)
    except Exception as error:
        raise UserError(
            f"The published weights of {name} must be downloadable or in "
            f"Keras' cache, received: {first_line(error)}"
        ) from error
    (scale, offset), swapped = normalisation(build)
    images = keras.Input(model.input_shape[1:])
    x = keras.layers.Rescaling(scale, offset)(images)
    logits = model(x[..., ::-1] if swapped else x)
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    about = {"name": text, "sha256": digest.hexdigest()}
    return Teacher(keras.Model(images, logits), text, about=about)
