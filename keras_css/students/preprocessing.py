"""The part of a student that turns pixels into what the trunk sees."""

import keras
import numpy as np

from keras_css.errors import UserError

NAME = "preprocessing"


def share_preprocessing(networks, images):
    """Calls each network's preprocessing; networks that agree share one.

    Args:
        networks: Dict from name to network; their preprocessing layers are
            renamed.
        images: A symbolic tensor.

    Returns:
        Dict from name to what that network's trunk sees.
    """
    known, seen = [], {}
    for name, network in networks.items():
        layer = network.preprocessing
        if layer is None:
            seen[name] = images
            continue
        for other, output in known:
            if _equal(layer, other):
                seen[name] = output
                break
        else:
            layer.name = NAME + f"_{len(known)}" * bool(known)
            seen[name] = layer(images)
            known.append((layer, seen[name]))
    return seen


def _equal(layer, other):
    if type(layer) is not type(other):
        return False
    configs = [{**one.get_config(), "name": None} for one in (layer, other)]
    pairs = zip(layer.get_weights(), other.get_weights())
    return configs[0] == configs[1] and all(
        np.array_equal(a, b) for a, b in pairs
    )


def find_preprocessing(student):
    """Returns the student's preprocessing layers; usually one or none.

    Those of our networks have a name of their own. In another classifier a
    `Rescaling` that takes the model's input says that this is pixels.
    """
    own = [layer for layer in student.layers if layer.name.startswith(NAME)]
    return own or [
        layer
        for layer in student.layers
        if isinstance(layer, keras.layers.Rescaling)
        and layer.input is student.inputs[0]
    ]


def without_preprocessing(student):
    """Returns the student from the output of its preprocessing onward.

    Raises:
        UserError: If it has not exactly one preprocessing layer.
    """
    found = find_preprocessing(student)
    if len(found) != 1:
        raise UserError(
            "A file that takes normalised images needs a student with one "
            f"preprocessing layer, received one with {len(found)}: use uint8 "
            "input."
        )
    (preprocessing,) = found

    def call(layer, *args, **kwargs):
        return args[0] if layer is preprocessing else layer(*args, **kwargs)

    return keras.models.clone_model(
        student, clone_function=lambda layer: layer, call_function=call
    )


def describe_preprocessing(student):
    """Returns the rule in words and numbers, or None if there is none."""
    layers = find_preprocessing(student)
    if not layers:
        return None
    if len(layers) > 1 or not isinstance(layers[0], keras.layers.Rescaling):
        return {"layers": [type(layer).__name__ for layer in layers]}
    return {
        "rule": "pixels from 0 to 255, times scale plus offset",
        "scale": np.asarray(layers[0].scale, "float64").ravel().tolist(),
        "offset": np.asarray(layers[0].offset, "float64").ravel().tolist(),
        "size": "scaled bilinearly to cover image_shape, then centre crop",
    }
