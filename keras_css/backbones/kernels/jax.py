"""JAX: convolutions in the form in which XLA runs them fastest on a processor.

There a convolution's gradient with respect to its kernel is XLA's weak point:
for 1x1 kernels it takes up to thirty times as long as the matrix product that
it is (docs/performance.md). On other devices XLA calls vendors' libraries.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

LAYOUT = ("NHWC", "HWIO", "NHWC")


def suit(x):
    """Returns whether x is an array of JAX, of a size that is known."""
    return isinstance(x, jax.Array) and all(
        isinstance(size, int) for size in x.shape[1:]
    )


def conv_norm(x, conv, norm, relu, add, training):
    kernel = jnp.asarray(conv.kernel)
    y = norm(convolve(x, kernel, conv.strides[0]), training=training)
    y = y if add is None else y + add
    return jax.nn.relu(y) if relu else y


def convolve(x, kernel, stride):
    """Returns a convolution, padded by half the kernel's size on each side.

    Args:
        x: `(B, h, w, c)`.
        kernel: `(k, k, c, d)`, k odd.
        stride: 1 or more.
    """
    if jax.default_backend() != "cpu" or kernel.shape[0] not in (1, 3):
        return _convolution(x, kernel, stride)
    if kernel.shape[0] == 1:
        x = x[:, ::stride, ::stride]
        return jnp.tensordot(x, kernel[0, 0], axes=1)
    return _convolve_3x3(x, kernel, stride)


def _convolution(x, kernel, stride):
    half = kernel.shape[0] // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        ((half, half), (half, half)),
        dimension_numbers=LAYOUT,
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve_3x3(x, kernel, stride):
    return _convolution(x, kernel, stride)


def _forward(x, kernel, stride):
    return _convolution(x, kernel, stride), (x, kernel)


def _backward(stride, kept, gradient):
    x, kernel = kept
    _, to_x = jax.vjp(lambda x: _convolution(x, kernel, stride), x)
    return *to_x(gradient), _kernel_gradient(x, gradient, stride)


def _kernel_gradient(x, gradient, stride):
    """Returns the gradient of the kernel as one matrix product for each row.

    Row a of the kernel meets the pixels a rows further down: three shifted
    copies of the image beside one another make it `(3 c, positions)` times
    `(positions, d)`.
    """
    height, width, filters = gradient.shape[1:]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    columns = [_every(x, 2, b, width, stride) for b in range(3)]
    beside = jnp.concatenate(columns, axis=-1)
    flat = gradient.reshape(-1, filters)
    rows = [
        _every(beside, 1, a, height, stride).reshape(-1, beside.shape[-1]).T
        @ flat
        for a in range(3)
    ]
    return jnp.stack(rows).reshape(3, 3, x.shape[-1], filters)


def _every(x, axis, start, count, stride):
    """Returns `count` slices along an axis, `stride` apart."""
    stop = start + (count - 1) * stride + 1
    return lax.slice_in_dim(x, start, stop, stride, axis)


_convolve_3x3.defvjp(_forward, _backward)
