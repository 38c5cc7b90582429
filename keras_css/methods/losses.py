"""The loss functions that methods are made of, one value a sample.

Labels are integers `(B,)`, one class a sample, or distributions `(B, C)` over
the classes: what mixing, smoothing and one-hot encoding make of them.
"""

import math

import keras
from keras import ops

from keras_css.means import mean

LEAST_VARIANCE = 1e-14


def cross_entropy(logits, labels):
    """Returns the cross-entropy of each branch.

    Args:
        logits: Tensor `(B, K, n)`.
        labels: Integer tensor `(B, n)` in [0, K), or a distribution over the
            columns for each branch, `(B, K, n)`.

    Returns:
        Tensor `(B, n)`: `-sum over k of label[k] log softmax(logits)[k]`, NaN
        where a label is no column of the logits or its distribution has NaN,
        so that a wrong label cannot pass unseen.
    """
    if len(labels.shape) == 3:
        share = ops.cast(labels, logits.dtype)
        return -ops.sum(share * ops.log_softmax(logits, axis=1), axis=1)
    columns = logits.shape[1]
    known = ops.logical_and(labels >= 0, labels < columns)
    # PyTorch's one-hot form raises where a label is too large.
    labels = ops.where(known, labels, -1)
    picked = ops.one_hot(labels, columns, axis=1, dtype=logits.dtype)
    loss = -ops.sum(picked * ops.log_softmax(logits, axis=1), axis=1)
    return ops.where(known, loss, float("nan"))


def kl_divergence(target, logits, temperature, epsilon=0.0):
    """Returns KL(softmax(target / T) || softmax(logits / T)), without T^2.

    Args:
        target: Tensor `(B, K, ...)` of the teaching logits.
        logits: Tensor `(B, K, ...)` of the taught logits.
        temperature: T.
        epsilon: Added to the target's probabilities, without renormalising;
            the released codes of ONE and OKDDip add 1e-7.

    Returns:
        Tensor `(B, ...)`: the sum over K. Gradients flow into both arguments;
        wrap the target in `ops.stop_gradient` to detach it.
    """
    log_target = ops.log_softmax(target / temperature, axis=1)
    log_p = ops.log_softmax(logits / temperature, axis=1)
    p_target = ops.exp(log_target)
    if epsilon:
        p_target = p_target + epsilon
        log_target = ops.log(p_target)
    return ops.sum(p_target * (log_target - log_p), axis=1)


def standardized(logits):
    """Returns (z - mean) / standard deviation, both over the classes.

    Logit Standardization in Knowledge Distillation (Sun et al. 2024, arXiv
    2403.01427): a student then need not match how large a teacher's logits
    are, only how they stand to each other.

    Args:
        logits: Tensor `(B, K, ...)`.
    """
    centred = logits - ops.expand_dims(mean(logits, axis=1), 1)
    freedom = max(logits.shape[1] - 1, 1)
    variance = ops.sum(ops.square(centred), axis=1, keepdims=True) / freedom
    # Where all are equal, the square root has no slope.
    return centred / ops.sqrt(variance + LEAST_VARIANCE)


def plain_cross_entropy(logits, labels, sample_weight=None):
    """Returns the cross-entropy of one predictor, a mean over the batch.

    Args:
        logits: Tensor `(B, C)`.
        labels: Integer tensor `(B,)` in [0, C), or a distribution `(B, C)`.
        sample_weight: As in `batch_mean`.
    """
    values = cross_entropy(logits[:, :, None], labels[..., None])
    return batch_mean(values, sample_weight)


def hard_labels(labels):
    """Returns the class of each sample, of a distribution the likeliest.

    Args:
        labels: Integer tensor `(B,)`, or a distribution `(B, C)`.

    Returns:
        Integer tensor `(B,)`.
    """
    if len(labels.shape) == 1:
        return labels
    return ops.cast(ops.argmax(labels, axis=-1), "int32")


def label_distribution(labels, num_classes, dtype="float32"):
    """Returns labels as distributions over the classes.

    Args:
        labels: Integer tensor `(B,)`, or a distribution `(B, C)`.
        num_classes: C.
        dtype: Of the result.

    Returns:
        Float tensor `(B, C)`; the row of a label outside [0, C) is NaN.
    """
    if len(labels.shape) == 2:
        return ops.cast(labels, dtype)
    known = ops.logical_and(labels >= 0, labels < num_classes)
    rows = ops.one_hot(ops.where(known, labels, -1), num_classes, dtype=dtype)
    return ops.where(ops.expand_dims(known, 1), rows, float("nan"))


def smoothed(labels, num_classes, epsilon):
    """Returns `(1 - epsilon) label + epsilon / C`, label smoothing.

    Args:
        labels: Integer tensor `(B,)`, or a distribution `(B, C)`.
        num_classes: C.
        epsilon: The share that all classes get alike.

    Returns:
        Float tensor `(B, C)`, as from `label_distribution`.
    """
    rows = label_distribution(labels, num_classes, keras.config.floatx())
    return (1.0 - epsilon) * rows + epsilon / num_classes


def ramp_up(epoch, length):
    """Returns w(e) = exp(-5 (1 - min(e, E) / E)^2), the weight of teaching.

    Laine and Aila 2017 (arXiv 1610.02242); used by CL-ILR, ONE, OKDDip, PCL
    and FFL.

    Args:
        epoch: Float scalar e, 0 in the first epoch.
        length: E; with 0 the weight is 1 throughout.

    Returns:
        A Python number for a Python number, else a tensor of the epoch's
        type. TensorFlow multiplies no float32 by a loss in float64.
    """
    if not length:
        return 1.0
    if isinstance(epoch, (int, float)):
        return math.exp(-5.0 * (1.0 - min(epoch, length) / length) ** 2)
    left = 1.0 - ops.minimum(epoch, length) / length
    return ops.exp(-5.0 * ops.square(left))


def ramp_down(epoch, length, epochs):
    """Returns (N - 1 - e) / R, between 0 and 1: teaching that fades out.

    Args:
        epoch: Float scalar e, 0 in the first epoch.
        length: R, not 0; in the last epoch the weight is 0.
        epochs: N.

    Returns:
        As `ramp_up` does.
    """
    left = (epochs - 1.0 - epoch) / length
    if isinstance(epoch, (int, float)):
        return min(max(left, 0.0), 1.0)
    return ops.clip(left, 0.0, 1.0)


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
        return mean(values)
    values = mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)
    weight = ops.cast(ops.reshape(sample_weight, (-1,)), values.dtype)
    return mean(values * weight)
