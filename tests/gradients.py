"""Gradients of a function of tensors, on the running backend."""

import keras
import numpy as np


def value_and_gradients(function, leaves, *given):
    """Returns a function's value and its gradients, as NumPy arrays.

    Args:
        function: Takes a dict of float tensors and what is given, returns a
            scalar.
        leaves: Dict from name to a float array.
        *given: Arrays or None.

    Returns:
        `(float, dict from name to an array)`; zeros where there is no way
        from the value to the leaf.
    """
    return differentiated(function)(leaves, *given)


def differentiated(function):
    """Returns a function of leaves and what is given, see above.

    It is compiled once for all calls with the same shapes, on JAX.
    """
    backend = keras.backend.backend()
    make = {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}[backend]
    return make(function)


def _torch(function):
    def run(leaves, *given):
        tensors = {
            name: keras.ops.convert_to_tensor(leaf).requires_grad_()
            for name, leaf in leaves.items()
        }
        value = function(tensors, *given)
        if value.requires_grad:
            value.backward()
        found = {
            name: np.zeros(t.shape) if t.grad is None else t.grad.numpy()
            for name, t in tensors.items()
        }
        return float(value), found

    return run


def _jax(function):
    import jax

    @jax.jit
    @jax.value_and_grad
    def stateless(tensors, *given):
        # What the function assigns to weights must not outlive the trace.
        with keras.StatelessScope():
            return function(tensors, *given)

    def run(leaves, *given):
        # Compiled as one program, as a training step is.
        tensors = {n: keras.ops.convert_to_tensor(v) for n, v in leaves.items()}
        value, found = stateless(tensors, *given)
        return float(value), {name: np.asarray(g) for name, g in found.items()}

    return run


def _tensorflow(function):
    import tensorflow as tf

    def run(leaves, *given):
        tensors = {n: keras.ops.convert_to_tensor(v) for n, v in leaves.items()}
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(tensors, *given)
        found = tape.gradient(value, tensors, unconnected_gradients="zero")
        return float(value), {name: g.numpy() for name, g in found.items()}

    return run
