"""Checks of what a user feeds, before anything is compiled or changed."""

import itertools
import types

import keras

from keras_css.errors import UserError
from keras_css.networks.multi_branch import check_image_shape
from keras_css.training.labels import check_counts
from keras_css.training.labels import check_label_kind
from keras_css.training.labels import check_labels
from keras_css.training.labels import check_there


def check_batch_source(x, y, num_classes, what="training"):
    """Checks images and labels in whatever form `fit` takes them.

    Arrays are checked completely. Of a `tf.data.Dataset` the element
    specification is checked, of a `PyDataset` and of a batch that `first_of`
    took the first batch; labels beyond that are caught in the step, where
    those of another kind are refused and a wrong one makes the loss NaN.

    Args:
        x: Array `(N, H, W, c)`, `tf.data.Dataset`, `PyDataset` or another
            iterable (which is not looked into).
        y: Array of integers `(N,)` or `(N, 1)`, or of distributions `(N, C)`,
            or None.
        num_classes: C.
        what: Which data this is, for messages.

    Returns:
        The shape of a batch of images, batch axis None, or None if unknown.

    Raises:
        UserError: If images or labels do not fit.
    """
    if isinstance(x, keras.utils.PyDataset):
        if batch_count(x) == 0:
            raise UserError(f"The {what} data must hold at least one batch.")
        shape = getattr(x, "image_shape", None)
        x, y, _ = keras.utils.unpack_x_y_sample_weight(x[0])
        if isinstance(x, dict) and shape is not None:
            check_labels(y, num_classes, what)
            return _image_shape((None, *shape))
    elif hasattr(x, "element_spec"):
        return _check_spec(x.element_spec, num_classes, what)
    elif not hasattr(x, "shape"):
        return None
    if what != "prediction":
        check_there(y, what)
        check_labels(y, num_classes, what)
        check_counts(len(x), len(y), what)
    return _image_shape(x.shape)


def batch_count(x):
    """Returns how many batches a `PyDataset` has, None if it never ends.

    Keras knows it from `num_batches`, whose default is `len`.
    """
    try:
        return x.num_batches
    except NotImplementedError:
        raise UserError(
            "A PyDataset needs num_batches or __len__, the number of its "
            f"batches (None if it never ends). {type(x).__name__} has neither."
        ) from None


def first_of(x):
    """Looks at the first batch of a generator or of PyTorch's `DataLoader`.

    A loader's stream is not read, which could take a batch from it, start
    workers or draw an order: its data set's first samples, read by number and
    put together, stand for one. (A data set that draws random numbers for a
    sample draws them once more.)

    Args:
        x: What `fit` got.

    Returns:
        `(batch, x)`: the batch, None if it cannot be looked at; and x, or of
        a generator one that yields this batch again.
    """
    if isinstance(x, types.GeneratorType):
        batches = list(itertools.islice(x, 1))
        return (batches or [None])[0], _again(batches, x)
    if _is_data_loader(x):
        return _sample_of(x), x
    return None, x


def _sample_of(loader):
    """Returns the first samples of a `DataLoader` as a batch, or None."""
    try:
        if loader.batch_sampler is None:
            return loader.collate_fn(loader.dataset[0])
        count = min(loader.batch_size or 1, len(loader.dataset))
        return loader.collate_fn([loader.dataset[i] for i in range(count)])
    # A stream has no samples by number, another set may have other names.
    except (NotImplementedError, TypeError, IndexError, KeyError):
        return None


def _again(batches, generator):
    yield from batches
    yield from generator


def _is_data_loader(x):
    # Without importing PyTorch, which need not be there.
    return any(
        parent.__name__ == "DataLoader"
        and parent.__module__.startswith("torch.utils.data")
        for parent in type(x).__mro__
    )


def _check_spec(spec, num_classes, what):
    """Checks what the elements of a `tf.data.Dataset` are."""
    parts = spec if isinstance(spec, tuple) else (spec,)
    if not all(hasattr(part, "shape") for part in parts):
        raise UserError(
            f"The {what} data must yield (images, labels), received "
            f"elements of {type(parts[0]).__name__}."
        )
    if what != "prediction":
        labels = parts[1] if len(parts) > 1 else None
        check_there(labels, what)
        dtype = labels.dtype.as_numpy_dtype
        check_label_kind(dtype, labels.shape, num_classes, what)
    return _image_shape(parts[0].shape)


def _image_shape(shape):
    if getattr(shape, "rank", 0) is None:
        return None
    check_image_shape(shape)
    return (None, *shape[1:])
