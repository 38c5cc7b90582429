"""Labels of a batch as methods take them, and what is no label.

Users give the class of each image as an integer, or a share of each class:
one-hot rows, soft labels of another model, smoothed ones.
"""

import keras
import numpy as np
from keras import ops

from keras_css.errors import UserError
from keras_css.methods.losses import label_distribution

# How far the sum of a row may lie from 1: half precision, many classes.
ROUNDING = 0.01


def batch_labels(y, num_classes, count=-1):
    """Returns the labels of a batch as methods take them.

    Args:
        y: Integers `(B,)` or `(B, 1)`, or a distribution `(B, C)` of any
            dtype.
        num_classes: C.
        count: B, or -1 if it is not known.

    Returns:
        int32 `(B,)`, or floats `(B, C)`, in which a row that is no
        distribution is NaN, so that the loss is.
    """
    if getattr(y.shape, "rank", 0) is None:
        # TensorFlow forgets the rank where one step has taken several.
        size = ops.size(y)
        y = ops.cond(
            ops.equal(size, count),
            lambda: label_distribution(
                ops.cast(ops.reshape(y, (count,)), "int32"),
                num_classes,
                keras.config.floatx(),
            ),
            lambda: ops.cast(
                ops.reshape(y, (count, num_classes)), keras.config.floatx()
            ),
        )
        y = ops.reshape(y, (count, num_classes))
    if not is_distribution(y.shape, num_classes):
        return ops.cast(ops.reshape(y, (count,)), "int32")
    rows = ops.cast(y, keras.config.floatx())
    rows = ops.reshape(rows, (count, num_classes))
    off = ops.abs(ops.sum(rows, axis=1, keepdims=True) - 1.0)
    known = ops.logical_and(
        off <= ROUNDING, ops.min(rows, axis=1, keepdims=True) >= -ROUNDING
    )
    return ops.where(known, rows, float("nan"))


def is_distribution(shape, num_classes):
    """Returns whether labels of this shape are `(N, C)`, more than `(N, 1)`."""
    if getattr(shape, "rank", 0) is None:
        return False
    return len(shape) == 2 and shape[1] == num_classes


def check_labels(labels, num_classes, what="training"):
    """Checks all of an array of labels.

    Args:
        labels: Array of `N` labels, as for `check_label_kind`.
        num_classes: C.
        what: Which data they belong to, for messages.

    Raises:
        UserError: If a label is no class, or no distribution over them.
    """
    labels = np.asarray(ops.convert_to_numpy(labels))
    if labels.size == 0:
        raise UserError(f"The {what} data must hold at least one image.")
    whole = labels.dtype.kind == "f" and np.all(labels == np.floor(labels))
    check_label_kind(labels.dtype, labels.shape, num_classes, what, whole)
    if is_distribution(labels.shape, num_classes):
        _check_rows(labels.astype("float64"), what)
        return
    low, high = labels.min(), labels.max()
    if low < 0 or high >= num_classes:
        raise UserError(
            f"The {what} labels must lie in [0, {num_classes - 1}] for "
            f"{num_classes} classes. Received: labels from {low} to {high}"
        )


def check_label_kind(dtype, shape, num_classes, what="training", whole=None):
    """Checks what can be known of labels without their values.

    Args:
        dtype: Of the labels: integers where `(N,)` or `(N, 1)`, any number
            where `(N, C)`.
        shape: Of the labels, axes of unknown length None.
        num_classes: C.
        what: Which data they belong to, for messages.
        whole: Whether floats are whole numbers; None if it is not known.

    Raises:
        UserError: If labels of this kind are none.
    """
    kind, name = _kind_and_name(dtype)
    if kind not in "iufb":
        raise _no_numbers(f"dtype={name}", what)
    if is_distribution(shape, num_classes):
        return
    rank = getattr(shape, "rank", 0)
    if rank is not None and not (
        len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    ):
        raise UserError(
            f"The {what} labels must have shape (N,) or (N, 1), one class "
            f"index an image, or (N, {num_classes}), a share of each class. "
            f"Received: shape={tuple(shape)}"
        )
    if kind not in "iu":
        advice = _advice(kind, whole, num_classes)
        if rank is None:
            advice = (
                f"their shape is not known: tf.ensure_shape(y, (None, "
                f"{num_classes})) in a map says that they are shares"
            )
        raise UserError(
            f"The {what} labels must be integers, or shares of the "
            f"{num_classes} classes of shape (N, {num_classes}). Received: "
            f"dtype={name}; {advice}."
        )


def check_step(data, num_classes, what):
    """Checks a batch when a step is built, before anything is recorded.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)`, tensors of the backend,
            which may be symbolic.
        num_classes: C.
        what: Which data these are, for messages.

    Raises:
        UserError: If there are no labels, or of a kind that is none.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
    check_there(y, what)
    if not hasattr(y, "dtype"):
        raise _no_numbers(type(y).__name__, what)
    dtype = keras.backend.standardize_dtype(y.dtype)
    check_label_kind(dtype, y.shape, num_classes, what)
    images = batch_size(x, static=True)
    labels = None if getattr(y.shape, "rank", 0) is None else y.shape[0]
    if None not in (images, labels):
        check_counts(images, labels, what)


def check_there(y, what):
    """Raises `UserError` if there are no labels."""
    if y is None:
        raise UserError(
            f"The {what} data need labels: pass y, one an image, or let them "
            "yield (images, labels)."
        )


def check_counts(images, labels, what):
    """Raises `UserError` unless there are as many labels as images."""
    if images != labels:
        raise UserError(
            f"The {what} data must have one label an image. Received: "
            f"{images} images and {labels} labels"
        )


def batch_size(x, static=False):
    """Returns how many images a batch holds.

    Args:
        x: Images, or the dict of a batch of `TrainingBatches`.
        static: Whether to return None, not a tensor, where a compiled step
            knows it only when it runs.
    """
    some = x.get("rows", x.get("images")) if isinstance(x, dict) else x
    if not static:
        return ops.shape(some)[0]
    if getattr(some.shape, "rank", 0) is None:
        return None
    return some.shape[0]


def _check_rows(rows, what):
    sums = rows.sum(axis=1)
    off = np.abs(sums - 1.0)
    off[np.isnan(off) | (rows.min(axis=1) < -ROUNDING)] = np.inf
    worst = int(np.argmax(off))
    if off[worst] > ROUNDING:
        raise UserError(
            f"The {what} labels of shape {rows.shape} must be shares from 0 "
            f"that sum to 1 in each row. Received: row {worst} with sum "
            f"{sums[worst]:.4g} and least share {rows[worst].min():.4g}; of "
            "class scores take the softmax."
        )


def _advice(kind, whole, num_classes):
    """Returns what to do with numbers that are no integers."""
    cast = (
        "np.asarray(labels).astype('int32') (tf.cast(y, 'int32') in a map, "
        "y.long() in PyTorch) makes class numbers of them"
    )
    if kind == "b" or whole:
        return cast
    shares = f"give class numbers from 0 to {num_classes - 1}"
    if num_classes == 2:
        shares += ", or np.stack([1 - p, p], axis=1) of the share p of class 1"
    return shares if whole is not None else f"if they are whole, {cast}"


def _no_numbers(received, what):
    return UserError(
        f"The {what} labels must be numbers of classes. Received: {received}; "
        "np.unique(labels, return_inverse=True)[1] numbers names."
    )


def _kind_and_name(dtype):
    if dtype == "string":
        return "U", "string"
    try:
        known = np.dtype(dtype)
    except TypeError:
        return "f", str(dtype)
    # NumPy does not know bfloat16 and the like as floats.
    kind = "f" if "float" in known.name else known.kind
    return kind, known.name
