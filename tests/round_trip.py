"""Saves a model with random weights, loads it, and compares all there is."""

import keras
import numpy as np


def randomise(model, seed=0):
    """Moves every weight of a model by a random amount of its own.

    Up or down alike: kernels that only grow drive ReLU6 to 6 everywhere, and
    then nothing that the model puts out depends on the image.
    """
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = keras.ops.convert_to_numpy(weight)
        if keras.backend.is_float_dtype(weight.dtype):
            factor = rng.uniform(0.7, 1.3, value.shape)
            # Keras draws depthwise kernels as if every channel were an input
            # of each: too small for the image to come through.
            most = (
                0.5 if "depthwise" in weight.path and value.ndim == 4 else 0.02
            )
            if weight.path.endswith("moving_variance"):
                # Before a training the layers put out less than 1.
                factor *= 0.3
            shift = rng.uniform(-most, most, value.shape)
            weight.assign(value * factor + shift)
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def saved_and_loaded(model, place):
    """Returns what a model with random weights is after a round trip.

    Counts and values of all variables have been compared.

    Args:
        model: A Keras model, built.
        place: A folder to write into.
    """
    randomise(model)
    model.save(place / "model.keras")
    loaded = keras.saving.load_model(place / "model.keras", safe_mode=True)
    assert loaded.count_params() == model.count_params()
    assert len(loaded.variables) == len(model.variables)
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    assert len(loaded.weights) == len(model.weights)
    for found, weight in zip(loaded.weights, model.weights):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(found),
            keras.ops.convert_to_numpy(weight),
            err_msg=weight.path,
        )
    return loaded


def assert_same_outputs(found, expected, tolerance=1e-5):
    """Compares two structures of tensors, relative to their largest values.

    What they hold must differ from image to image, by twice what this
    comparison lets pass.
    """
    keras.tree.assert_same_structure(found, expected)
    pairs = zip(keras.tree.flatten(found), keras.tree.flatten(expected))
    for a, b in pairs:
        a, b = (keras.ops.convert_to_numpy(x) for x in (a, b))
        assert np.isfinite(b).all()
        largest = max(1.0, np.abs(b).max())
        assert np.ptp(b, axis=0).max() > 2 * tolerance * largest
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * largest)
