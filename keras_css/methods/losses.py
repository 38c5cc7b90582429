"""The loss functions that methods are made of, one value a sample."""

from keras import ops


def cross_entropy(logits, labels):
    """Returns the cross-entropy of each branch.

    Args:
        logits: Tensor `(B, K, n)`.
        labels: Integer tensor `(B, n)` in [0, K).

    Returns:
        Tensor `(B, n)`: `-log softmax(logits)[label]`, NaN where a label is
        no column of the logits, so that a wrong label cannot pass unseen.
    """
    columns = logits.shape[1]
    picked = ops.one_hot(labels, columns, axis=1, dtype=logits.dtype)
    loss = -ops.sum(picked * ops.log_softmax(logits, axis=1), axis=1)
    known = ops.logical_and(labels >= 0, labels < columns)
    return ops.where(known, loss, float("nan"))


def kl_divergence(target, logits, temperature):
    """Returns KL(softmax(target / T) || softmax(logits / T)), without T^2.

    Args:
        target: Tensor `(B, K, ...)` of the teaching logits.
        logits: Tensor `(B, K, ...)` of the taught logits.
        temperature: T.

    Returns:
        Tensor `(B, ...)`: the sum over K. Gradients flow into both arguments;
        wrap the target in `ops.stop_gradient` to detach it.
    """
    log_target = ops.log_softmax(target / temperature, axis=1)
    log_p = ops.log_softmax(logits / temperature, axis=1)
    return ops.sum(ops.exp(log_target) * (log_target - log_p), axis=1)


def batch_mean(values, sample_weight=None):
    """Returns the mean over samples of the mean over all further axes.

    Args:
        values: Tensor `(B, ...)`.
        sample_weight: Tensor `(B,)` or None. As everywhere in Keras, the
            weighted sum is divided by B, not by the sum of the weights.

    Returns:
        A scalar.
    """
    if sample_weight is None:
        return ops.mean(values)
    values = ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)
    weight = ops.cast(ops.reshape(sample_weight, (-1,)), values.dtype)
    return ops.mean(values * weight)
