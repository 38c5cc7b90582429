"""Gradients of a function of tensors, on the running backend."""

import keras
import numpy as np


def value_and_gradients(function, leaves):
    """Returns a function's value and its gradients, as NumPy arrays.

    Args:
        function: Takes a dict of float tensors, returns a scalar.
        leaves: Dict from name to a float array.

    Returns:
        `(float, dict from name to an array)`; zeros where there is no way
        from the value to the leaf.
    """
    backend = keras.backend.backend()
    return {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}[backend](
        function, leaves
    )


def _torch(function, leaves):
    tensors = {
        name: keras.ops.convert_to_tensor(leaf).requires_grad_()
        for name, leaf in leaves.items()
    }
    value = function(tensors)
    if value.requires_grad:
        value.backward()
    found = {
        name: np.zeros(t.shape) if t.grad is None else t.grad.numpy()
        for name, t in tensors.items()
    }
    return float(value), found


def _jax(function, leaves):
    import jax

    def stateless(tensors):
        # What the function assigns to weights must not outlive the trace.
        with keras.StatelessScope():
            return function(tensors)

    # Compiled as one program, as a training step is.
    tensors = {n: keras.ops.convert_to_tensor(v) for n, v in leaves.items()}
    value, found = jax.jit(jax.value_and_grad(stateless))(tensors)
    return float(value), {name: np.asarray(g) for name, g in found.items()}


def _tensorflow(function, leaves):
    import tensorflow as tf

    tensors = {n: keras.ops.convert_to_tensor(v) for n, v in leaves.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(tensors)
    found = tape.gradient(value, tensors, unconnected_gradients="zero")
    return float(value), {name: g.numpy() for name, g in found.items()}
