"""Saves a model with random weights, loads it, and compares all there is."""

import keras
import numpy as np


def randomise(model, seed=0):
    """Moves every weight of a model by a random amount of its own."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = keras.ops.convert_to_numpy(weight)
        if keras.backend.is_float_dtype(weight.dtype):
            factor = rng.uniform(0.7, 1.3, value.shape)
            weight.assign(value * factor + rng.uniform(0, 0.02, value.shape))
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
    """Compares two structures of tensors, relative to their largest values."""
    keras.tree.assert_same_structure(found, expected)
    pairs = zip(keras.tree.flatten(found), keras.tree.flatten(expected))
    for a, b in pairs:
        a, b = (keras.ops.convert_to_numpy(x) for x in (a, b))
        assert np.isfinite(b).all()
        assert b.size < 2 or b.std() > 0
        largest = max(1.0, np.abs(b).max())
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * largest)
