"""A small piece of a data set, the same from any copy of it."""

import dataclasses

import numpy as np

from keras_css.data.splits import digests_of
from keras_css.errors import UserError


def piece_of(found, first_classes, per_class):
    """Returns the part of a data set that a request asks for.

    Which images of a class are taken depends on their content alone (those
    with the smallest digests), not on the order of a file or folder. What is
    no training image stays whole for the classes that are taken.

    Args:
        found: A `Found`.
        first_classes: How many classes to take, 2 or more; None for all.
        per_class: Most training images of each class, None for all.

    Raises:
        UserError: If there are fewer classes.
    """
    names = found.class_names
    if first_classes is not None and first_classes > len(names):
        raise UserError(
            "--first_classes must be a whole number from 2 to the "
            f"{len(names)} classes of {found.where}, received {first_classes}."
        )
    count = first_classes or len(names)
    parts = {
        part: split.take(np.flatnonzero(split.labels < count))
        for part, split in found.parts.items()
    }
    if per_class is not None and "train" in parts:
        train = parts["train"]
        order = np.argsort(digests_of(train.images), kind="stable")
        taken = [
            order[train.labels[order] == label][:per_class]
            for label in range(count)
        ]
        parts["train"] = train.take(np.sort(np.concatenate(taken)))
    return dataclasses.replace(found, class_names=names[:count], parts=parts)
