"""The targets of KDCL, each a function of all networks' logits `(B, C, K)`."""

from keras import ops

from keras_css.methods.losses import label_distribution

ITERATIONS = 60


def lowest_cross_entropy(z, ce):
    """Returns the logits of the network of lowest mean cross-entropy.

    Args:
        z: `(B, C, K)`.
        ce: `(B, K)`.
    """
    best = ops.argmin(ops.mean(ce, axis=0))
    return ops.take(z, best, axis=2)


def minimum_logits(z, labels):
    """Returns the least of the networks' logits, relative to the true class.

    Args:
        z: `(B, C, K)`.
        labels: `(B,)`, or a distribution `(B, C)`: then relative to the mean
            of the logits under it.
    """
    picked = label_distribution(labels, z.shape[1], z.dtype)[:, :, None]
    true = ops.sum(picked * z, axis=1, keepdims=True)
    return ops.min(z - true, axis=2)


def combination(z, weights):
    """Returns `sum_k weights[k] z[:, :, k]`."""
    return ops.sum(z * weights, axis=2)


def least_cross_entropy_weights(z, labels, iterations=ITERATIONS):
    """Returns the convex combination of logits of least cross-entropy.

    Minimises the mean of CE(sum_k a_k z_k, y) over the simplex, a convex
    problem, by projected gradient steps: one that does not make it worse is
    taken and the next is twice as long, else the next is a quarter.

    Args:
        z: `(B, C, K)`.
        labels: `(B,)`, or a distribution `(B, C)`.
        iterations: Steps tried.

    Returns:
        `(K,)`, at least 0, with sum 1.
    """
    count = z.shape[2]
    if count == 1:
        return ops.ones((1,), dtype=z.dtype)
    picked = label_distribution(labels, z.shape[1], z.dtype)

    def loss_and_gradient(a):
        log_p = ops.log_softmax(combination(z, a), axis=1)
        errors = (ops.exp(log_p) - picked)[:, :, None]
        gradient = ops.mean(ops.sum(errors * z, axis=1), axis=0)
        # Along the simplex only.
        gradient = gradient - ops.mean(gradient)
        return -ops.mean(ops.sum(picked * log_p, axis=1)), gradient

    def step(_, state):
        a, value, gradient, rate = state
        # Beyond the simplex's size a longer step only loses digits.
        rate = ops.minimum(rate, 8.0 / (ops.max(ops.abs(gradient)) + 1e-12))
        moved = onto_simplex(a - rate * gradient)
        new_value, new_gradient = loss_and_gradient(moved)
        better = new_value <= value
        return (
            ops.where(better, moved, a),
            ops.where(better, new_value, value),
            ops.where(better, new_gradient, gradient),
            # Bare numbers would be float32, whatever the logits are.
            ops.where(better, rate * 2.0, rate * 0.25),
        )

    # No longer than the inverse of a bound of the second derivative; softmax
    # does not see a shift.
    centred = z - ops.mean(z, axis=1, keepdims=True)
    bound = ops.mean(ops.max(ops.sum(ops.square(centred), axis=2), axis=1))
    rate = 1.0 / ops.maximum(bound, 1e-6)
    start = ops.full((count,), 1.0 / count, dtype=z.dtype)
    state = (start, *loss_and_gradient(start), rate)
    return ops.fori_loop(0, iterations, step, state)[0]


def onto_simplex(a):
    """Returns the nearest point of the simplex (Held et al. 1974).

    Args:
        a: `(K,)`.
    """
    down = ops.flip(ops.sort(a))
    ranks = ops.cast(ops.arange(1, a.shape[0] + 1), a.dtype)
    excess = (ops.cumsum(down) - 1.0) / ranks
    # The excess at the last rank whose value stays positive.
    stays = ops.cast(down > excess, a.dtype)
    last = ops.one_hot(
        ops.cast(ops.sum(stays), "int32") - 1, a.shape[0], dtype=a.dtype
    )
    return ops.maximum(a - ops.sum(last * excess), 0.0)


def error_products(z, labels):
    """Returns `sum over the batch of (p_j - t) . (p_k - t)`, `(K, K)`.

    Args:
        z: `(B, C, K)`, p its softmax.
        labels: `(B,)`, t their one-hot form, or t itself `(B, C)`.
    """
    picked = label_distribution(labels, z.shape[1], z.dtype)[:, :, None]
    errors = ops.softmax(z, axis=1) - picked
    errors = ops.reshape(errors, (-1, z.shape[2]))
    return ops.matmul(ops.transpose(errors), errors)


def least_error_weights(products):
    """Returns `P^-1 1 / (1' P^-1 1)`: the combination of least squared error.

    Args:
        products: Mean products of errors `(K, K)`; a small ridge keeps equal
            networks solvable.

    Returns:
        `(K,)` with sum 1; a weight may be negative.
    """
    count = products.shape[0]
    scale = ops.trace(products) / count
    ridge = (1e-4 * scale + 1e-12) * ops.eye(count, dtype=products.dtype)
    ones = ops.ones((count, 1), dtype=products.dtype)
    # TensorFlow raises at NaN, of a label that is no class: it comes out again.
    known = ops.isfinite(scale)
    matrix = ops.where(
        known, products + ridge, ops.eye(count, dtype=scale.dtype)
    )
    solved = ops.solve(matrix, ones)[:, 0]
    return ops.where(known, solved / ops.sum(solved), float("nan"))
