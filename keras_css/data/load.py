"""From a name to a `Dataset`: find the images, part them, read them."""

import numpy as np

from keras_css.data.catalogue import get_entry
from keras_css.data.dataset import Dataset
from keras_css.data.dataset import Split
from keras_css.data.dataset import channel_statistics
from keras_css.data.find import find
from keras_css.data.piece import piece_of
from keras_css.data.reading import in_shape
from keras_css.data.reading import is_resident
from keras_css.data.reading import judge
from keras_css.data.reading import read_once
from keras_css.data.sizes import decide_sizes
from keras_css.data.splits import part_images
from keras_css.errors import UserError
from keras_css.errors import one_line
from keras_css_settings import DataRequest

STATISTICS_IMAGES = 5000


def load_dataset(dataset, data_dir=None, say=print, **options):
    """Returns the `Dataset` of a name; every image of it was read once.

    Args:
        dataset: A name of `DATASETS`, or `tfds:<name>`.
        data_dir: Folder or file that holds the images.
        say: Function that takes a line for the user.
        **options: Attributes of `DataRequest`.

    Raises:
        UserError: If the data are not there or do not fit.
    """
    return load(DataRequest(dataset, data_dir, **options), say)


def load(request, say=print):
    """Returns the `Dataset` of a `DataRequest`, as `load_dataset` does."""
    entry = get_entry(request.dataset)
    found = find(entry, request, say)
    if request.on_bad_image == "error":
        judge(found.faults, "error", say)
    _check_classes(entry, found, request)
    whole = found
    if (request.first_classes, request.per_class) != (None, None):
        found = piece_of(found, request.first_classes, request.per_class)
    parts, content, notes = part_images(found, request)
    shape, crop_fraction = decide_sizes(entry, parts, request, say)
    parts = {
        part: Split(
            in_shape(split.images, part, shape, crop_fraction, request),
            split.labels,
        )
        for part, split in parts.items()
    }
    resident = is_resident(parts, request.feeding)
    skipped = list(found.faults)
    for part, split in parts.items():
        parts[part], faults = read_once(split, part, resident, say)
        skipped += faults
    judge(skipped, request.on_bad_image, say)
    _check_parts(parts, found.class_names, say)
    if found.ignored:
        notes.append(
            f"{found.ignored} files are ignored: no picture's ending, or not "
            "in a class folder"
        )
    notes += [*found.notes, *_official(entry, whole)]
    for line in notes:
        say(one_line(line))
    return Dataset(
        class_names=found.class_names,
        **parts,
        recipe=entry.recipe,
        statistics=_statistics(entry, parts["train"].images),
        resident=resident,
        about={
            "where": found.where,
            "licence": entry.licence,
            "crop_fraction": crop_fraction,
            "left_out": notes,
            "skipped": skipped,
            "content": content,
        },
    )


def _check_classes(entry, found, request):
    names = found.class_names
    if len(names) < 2:
        raise UserError(
            f"A classifier needs at least two classes, but {found.where} has "
            f"{', '.join(names) or 'none'}."
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(
            f"Classes must have different names, but {found.where} has "
            f"'{twice}' more than once."
        )
    if entry.classes and len(names) > entry.classes:
        raise UserError(
            f"{request.dataset} has {entry.classes} classes, but "
            f"{found.where} has {len(names)}: use --dataset folder for "
            "pictures of your own."
        )
    if "train" not in found.parts:
        raise UserError(f"{found.where} must hold training images.")


def _official(entry, found):
    """Returns a line where classes or numbers are not those of the set."""
    counts = {part: len(split) for part, split in found.parts.items()}
    classes = len(found.class_names)
    same = classes == entry.classes and counts == entry.images
    if not entry.classes or entry.read or same:
        return []
    official = ", ".join(f"{n} {part}" for part, n in entry.images.items())
    received = ", ".join(f"{n} {part}" for part, n in counts.items())
    return [
        f"not all of {entry.title}: {classes} of {entry.classes} classes, "
        f"{received} images of {official}"
    ]


def _check_parts(parts, names, say):
    for part, split in parts.items():
        if not len(split):
            raise UserError(
                f"The {part} part must hold an image, but no good one is left."
            )
        counts = np.bincount(split.labels, minlength=len(names))
        empty = [names[i] for i in np.flatnonzero(counts == 0)]
        if not empty:
            continue
        some = ", ".join(empty[:3]) + ", ..." * (len(empty) > 3)
        if part == "train":
            raise UserError(
                "Every class must have a training image, but "
                f"{len(empty)} have none: {some}."
            )
        say(f"{len(empty)} classes have no {part} image: {some}")


def _statistics(entry, images):
    channels = images.shape[-1]
    if entry.statistics and len(entry.statistics[0]) == channels:
        return tuple(list(values) for values in entry.statistics)
    # The same images, however they are fed.
    count = min(len(images), STATISTICS_IMAGES)
    rows = np.linspace(0, len(images) - 1, count).astype(int)
    return channel_statistics(images[rows])
