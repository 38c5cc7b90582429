"""JAX: convolutions in the form in which XLA runs them fastest on a processor.

There a convolution's gradient with respect to its kernel is XLA's weak point:
for 1x1 kernels it takes up to thirty times as long as the matrix product that
it is, and that product up to four times as long if the wider matrix is on the
left (docs/performance.md). BatchNorm's gradient is written out, which saves
passes over the activations. On other devices XLA calls vendors' libraries.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

LAYOUT = ("NHWC", "HWIO", "NHWC")
# BatchNorm computes in one of these whatever it is given.
EXACT = (jnp.float32, jnp.float64)


def suit(x):
    """Returns whether x is an array of JAX, of a size that is known."""
    return isinstance(x, jax.Array) and all(
        isinstance(size, int) for size in x.shape[1:]
    )


def conv_norm(x, conv, norm, relu, add, training):
    y = convolve(x, jnp.asarray(conv.kernel), conv.strides[0])
    if training and jax.default_backend() == "cpu" and y.dtype in EXACT:
        gamma, beta = jnp.asarray(norm.gamma), jnp.asarray(norm.beta)
        y, mean, variance = _normalise(y, gamma, beta, norm.epsilon)
        norm.take_statistics(mean, variance, y.size // y.shape[-1])
    else:
        y = norm(y, training=training)
    y = y if add is None else y + add
    return jax.nn.relu(y) if relu else y


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _normalise(x, gamma, beta, epsilon):
    """Returns BatchNorm's output, the batch's means and its variances."""
    return _normalise_forward(x, gamma, beta, epsilon)[0]


def _normalise_forward(x, gamma, beta, epsilon):
    mean = x.mean((0, 1, 2))
    centred = x - mean
    variance = jnp.square(centred).mean((0, 1, 2))
    inverse = lax.rsqrt(variance + epsilon)
    y = centred * (inverse * gamma) + beta
    return (y, mean, variance), (x, mean, inverse, gamma)


def _normalise_backward(epsilon, kept, gradients):
    """The gradient with respect to x in one pass after two sums a channel."""
    x, mean, inverse, gamma = kept
    gradient, *_ = gradients
    count = x.size // x.shape[-1]
    normal = (x - mean) * inverse
    to_beta = gradient.sum((0, 1, 2))
    to_gamma = (gradient * normal).sum((0, 1, 2))
    centred = gradient - to_beta / count - normal * (to_gamma / count)
    return centred * (inverse * gamma), to_gamma, to_beta


_normalise.defvjp(_normalise_forward, _normalise_backward)


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
        return _product(x, kernel[0, 0])
    return _convolve_3x3(x, kernel, stride)


@jax.custom_vjp
def _product(x, kernel):
    return jnp.tensordot(x, kernel, axes=1)


def _product_forward(x, kernel):
    return _product(x, kernel), (x, kernel)


def _product_backward(kept, gradient):
    x, kernel = kept
    c, d = kernel.shape
    x, flat = x.reshape(-1, c), gradient.reshape(-1, d)
    return jnp.tensordot(gradient, kernel.T, axes=1), _over_positions(x, flat)


_product.defvjp(_product_forward, _product_backward)


def _over_positions(one, other):
    """Returns `one.T @ other`, the narrower of them on the left.

    Args:
        one: `(positions, c)`.
        other: `(positions, d)`.
    """
    if one.shape[1] > other.shape[1]:
        return _over_positions(other, one).T
    # Else XLA turns the product around as it likes.
    return lax.optimization_barrier(one.T @ other)


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
    rows = [_every(beside, 1, a, height, stride) for a in range(3)]
    # Copied once, not read in strides by the product.
    rows = lax.optimization_barrier(
        [row.reshape(-1, row.shape[-1]) for row in rows]
    )
    kernel = jnp.stack([_over_positions(row, flat) for row in rows])
    return kernel.reshape(3, 3, x.shape[-1], filters)


def _every(x, axis, start, count, stride):
    """Returns `count` slices along an axis, `stride` apart."""
    stop = start + (count - 1) * stride + 1
    return lax.slice_in_dim(x, start, stop, stride, axis)


_convolve_3x3.defvjp(_forward, _backward)
