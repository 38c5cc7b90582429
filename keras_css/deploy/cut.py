"""Cutting a student out of a cohort: an ordinary Keras model of its own."""

import contextlib

import keras

from keras_css.deploy.fold import fold_batch_norm
from keras_css.errors import UserError

PREPROCESSING = "preprocessing"


def cut_student(networks, parts, image_shape=None):
    """Returns one student as an ordinary float32 Keras model.

    The model holds the layers and weights that this student needs and no
    others: trunk, transformation, tail, and of each head the student's own
    columns. It consists of Keras' own layers wherever the backbone does;
    BatchNorm is folded into convolutions.

    Args:
        networks: Dict from network name to `MultiBranchNetwork`, built.
        parts: Dict from `(network name, branch)` to the weight of that
            branch's class logits in the student, from `Method.student_parts`.
        image_shape: `(H, W, channels)`, needed only if the networks were built
            for images of any size.

    Returns:
        A functional model from images `(B, H, W, channels)`, as the networks
        take them, to logits `(B, C)`. A preprocessing layer, if the networks
        have one, is its layer `"preprocessing"`.

    Raises:
        UserError: If the size of the images is not known.
    """
    with _float32_policy():
        return _cut(networks, parts, image_shape)


def _cut(networks, parts, image_shape):
    names = sorted({name for name, _ in parts})
    shape = _image_shape(networks[names[0]], image_shape)
    images = keras.Input(shape, name="image", dtype="float32")
    twins = {name: _float32_twin(networks[name], shape) for name in names}
    _name_apart(twins)
    outputs, preambles = [], []
    for name, twin in twins.items():
        seen = _preprocess(twin.preprocessing, images, preambles)
        shared = expand(twin.trunk, seen)
        for i, tail in enumerate(twin.tails):
            if (name, i) in parts:
                features = expand(
                    tail, twin.transformation(shared, i, twin.num_branches)
                )
                own = _own_columns(twin, i, parts[name, i])
                own.name = f"{name}_branch_{i}_logits"
                outputs.append(own(features))
    logits = keras.layers.Add()(outputs) if len(outputs) > 1 else outputs[0]
    return fold_batch_norm(keras.Model(images, logits, name="student"))


def expand(layer, features):
    """Calls a layer symbolically so that its inner layers become nodes.

    Args:
        layer: A Keras layer, built, or None for none.
        features: A symbolic tensor.
    """
    if layer is None:
        return features
    if isinstance(layer, keras.Sequential):
        for inner in layer.layers:
            features = expand(inner, features)
        return features
    if layer._flatten_layers(include_self=False, recursive=False):
        return layer.call(features, training=False)
    return layer(features)


def without_preprocessing(student):
    """Returns the student from the output of its preprocessing onward.

    Raises:
        UserError: If the student has no preprocessing.
    """
    preprocessing = find_preprocessing(student)
    if preprocessing is None:
        raise UserError(
            "A student must have preprocessing inside to leave it off, "
            "received one that takes normalised images already."
        )

    def call(layer, *args, **kwargs):
        return args[0] if layer is preprocessing else layer(*args, **kwargs)

    return keras.models.clone_model(
        student, clone_function=lambda layer: layer, call_function=call
    )


def find_preprocessing(student):
    """Returns the student's preprocessing layer, or None."""
    for layer in student.layers:
        if layer.name == PREPROCESSING:
            return layer
    return None


def _preprocess(layer, images, preambles):
    """Calls a network's preprocessing; networks that agree share one."""
    if layer is None:
        return images
    config = {**layer.get_config(), "name": None}
    for known, seen in preambles:
        if known == config:
            return seen
    layer.name = PREPROCESSING + f"_{len(preambles)}" * bool(preambles)
    preambles.append((config, layer(images)))
    return preambles[-1][1]


def _image_shape(network, image_shape):
    shape = tuple(image_shape or network.image_shape or (None,))
    if None in shape:
        raise UserError(
            "A student is cut for images of one size, and the networks were "
            f"built for {shape}: give image_shape=(height, width, channels)."
        )
    return shape


def _float32_twin(network, shape):
    """Returns a copy of a network in float32, whatever its precision."""
    twin = type(network).from_config(_in_float32(network.get_config()))
    twin.build((None, *shape))
    twin.set_weights(network.get_weights())
    return twin


@contextlib.contextmanager
def _float32_policy():
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(kept)


def _in_float32(config):
    """Returns a configuration in which every layer has dtype float32."""
    if isinstance(config, dict):
        return {
            key: "float32" if key == "dtype" else _in_float32(value)
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(value) for value in config)
    return config


def _name_apart(twins):
    """Gives every layer of the twins a name of its own in one graph."""
    for name, twin in twins.items():
        for i, layer in enumerate(twin._flatten_layers(include_self=False)):
            layer.name = f"{name}_{i}_{layer.name}"


def _own_columns(network, branch, weight):
    """Returns a Dense layer with a branch's own columns, times a weight."""
    head = network.heads[branch]
    step = network.num_branches if network.joint_labels else 1
    first = branch if network.joint_labels else 0
    dense = keras.layers.Dense(network.num_classes, dtype="float32")
    dense.build((None, network.backbone.feature_dim))
    kernel, bias = head.get_weights()
    dense.set_weights(
        [kernel[:, first::step] * weight, bias[first::step] * weight]
    )
    return dense
