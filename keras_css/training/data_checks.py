"""Checks of what a user feeds, before anything is compiled or changed."""

import keras
import numpy as np

from keras_css.errors import UserError
from keras_css.networks.multi_branch import check_image_shape


def check_batch_source(x, y, num_classes, what="training"):
    """Checks images and labels in whatever form `fit` takes them.

    Arrays are checked completely. Of a `tf.data.Dataset` the element
    specification is checked, of a `PyDataset` the first batch; labels beyond
    that are caught in the step, where a wrong label makes the loss NaN.

    Args:
        x: Array `(N, H, W, c)`, `tf.data.Dataset`, `PyDataset` or another
            iterable (which is not looked into).
        y: Array `(N,)` or `(N, 1)` of integers, or None.
        num_classes: C.
        what: Which data this is, for messages.

    Returns:
        The shape of a batch of images, batch axis None, or None if unknown.

    Raises:
        UserError: If images or labels do not fit.
    """
    if isinstance(x, keras.utils.PyDataset):
        if len(x) == 0:
            raise UserError(f"The {what} data must hold at least one batch.")
        shape = getattr(x, "image_shape", None)
        x, y, _ = keras.utils.unpack_x_y_sample_weight(x[0])
        if isinstance(x, dict) and shape is not None:
            check_labels(y, num_classes, what)
            return _image_shape((None, *shape))
    elif hasattr(x, "element_spec"):
        spec = x.element_spec
        parts = spec if isinstance(spec, tuple) else (spec,)
        if not all(hasattr(part, "shape") for part in parts):
            raise UserError(
                f"The {what} data must yield (images, labels), received "
                f"elements of {type(parts[0]).__name__}."
            )
        if len(parts) > 1:
            _check_label_kind(parts[1].dtype.as_numpy_dtype, parts[1].shape)
        return _image_shape(parts[0].shape)
    elif not hasattr(x, "shape"):
        return None
    if y is None and what != "prediction":
        raise UserError(f"The {what} data need labels: pass y, one an image.")
    if y is not None:
        check_labels(y, num_classes, what)
        if len(x) != len(y):
            raise UserError(
                f"The {what} data must have one label an image. Received: "
                f"{len(x)} images and {len(y)} labels"
            )
    return _image_shape(x.shape)


def check_labels(labels, num_classes, what="training"):
    """Raises `UserError` unless labels are integers in [0, num_classes)."""
    labels = np.asarray(keras.ops.convert_to_numpy(labels))
    _check_label_kind(labels.dtype, labels.shape, what)
    if labels.size == 0:
        raise UserError(f"The {what} data must hold at least one image.")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= num_classes:
        raise UserError(
            f"The {what} labels must lie in [0, {num_classes - 1}] for "
            f"{num_classes} classes. Received: labels from {low} to {high}"
        )


def _check_label_kind(dtype, shape, what="training"):
    if not np.issubdtype(np.dtype(dtype), np.integer):
        raise UserError(
            f"The {what} labels must be integers. Received: dtype="
            f"{np.dtype(dtype).name}; convert them, for example "
            "labels.astype('int32')."
        )
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise UserError(
            f"The {what} labels must have shape (N,) or (N, 1), one class "
            f"index an image. Received: shape={tuple(shape)}"
        )


def _image_shape(shape):
    if getattr(shape, "rank", 0) is None:
        return None
    check_image_shape(shape)
    return (None, *shape[1:])
