"""Parts of a data set that share no image."""

import collections

import numpy as np

from keras_css.data.layouts.found import PARTS
from keras_css.data.pictures import UNREAD
from keras_css.data.pictures import Pictures
from keras_css.data.pictures import digest_of
from keras_css.data.pictures import name_of
from keras_css.errors import UserError

TEST_SEED = 2203
# Images that a line names.
FEW = 5


def stratified(labels, fraction, seed, digests=None):
    """Chooses a part of each class, equal images never apart.

    Of each class the nearest whole number to `fraction` of its images is
    taken, at least one where the class has more than one image. An image that
    occurs several times is taken or left with all its copies, also those of
    other classes.

    Args:
        labels: Integers `(N,)`.
        fraction: In [0, 1).
        seed: Integer or list of integers that decides which are taken.
        digests: Array `(N,)` that is equal where images are; None if all are
            different.

    Returns:
        Bools `(N,)`, true for what is taken.

    Raises:
        UserError: If the fraction is out of range.
    """
    if not 0 <= fraction < 1:
        raise UserError(
            "validation_fraction and test_fraction must lie in [0, 1). "
            f"Received: {fraction}"
        )
    rng = np.random.default_rng(seed)
    taken = np.zeros(len(labels), bool)
    group = np.arange(len(labels))
    if digests is not None:
        _, first, inverse = np.unique(
            digests, return_index=True, return_inverse=True
        )
        group = first[inverse]
    for label in np.unique(labels):
        # One of each group of copies stands for all of them.
        members = np.flatnonzero(
            (labels == label) & (group == range(len(labels)))
        )
        count = round(fraction * len(members))
        if fraction > 0 and len(members) > 1:
            count = min(max(count, 1), len(members) - 1)
        taken[rng.permutation(members)[:count]] = True
    return taken[group]


def part_images(found, request):
    """Makes the three parts of what was found; no image is in two of them.

    Args:
        found: A `Found` with at least a training part.
        request: The `DataRequest`.

    Returns:
        `(parts, content, notes)`: a dict from part to `Split`, one from part
        to a text that tells its images from others, and lines on what was
        moved or left out.

    Raises:
        UserError: If there are too few images.
    """
    parts = dict(found.parts)
    digests = {part: digests_of(split.images) for part, split in parts.items()}
    seeds = {"test": TEST_SEED, "validation": request.seed}
    torn = in_several_classes(found.class_names, parts, digests)
    notes = []
    if torn:
        more = "; ..." * (len(torn) > FEW)
        notes.append(
            f"{len(torn)} images have copies in different classes: "
            f"{'; '.join(torn[:FEW])}{more}"
        )
    for part, seed in seeds.items():
        if part in parts:
            continue
        fraction = getattr(request, f"{part}_fraction")
        taken = stratified(
            parts["train"].labels, fraction, [seed, 0x5EED], digests["train"]
        )
        if not taken.any():
            raise UserError(
                f"The {part} part is taken from the training images, a class "
                "of at least two different images is needed for it, received "
                f"{len(taken)} images and --{part}_fraction {fraction}."
            )
        parts[part] = parts["train"].take(taken)
        parts["train"] = parts["train"].take(~taken)
        digests[part] = digests["train"][taken]
        digests["train"] = digests["train"][~taken]
        if part == "test":
            notes.append(
                f"no test part: {taken.sum()} training images are kept for it"
            )
    for part, others in (
        ("validation", ["test"]),
        ("train", ["validation", "test"]),
    ):
        for other in others:
            also = np.isin(digests[part], digests[other])
            if also.any():
                which = _some(parts[part].images, np.flatnonzero(also))
                parts[part] = parts[part].take(~also)
                digests[part] = digests[part][~also]
                notes.append(
                    f"{also.sum()} {part} images are {other} images, too: left "
                    f"out of {part}: {which}"
                )
    return (
        {part: parts[part] for part in PARTS},
        {part: _together(digests[part]) for part in PARTS},
        notes,
    )


def in_several_classes(names, parts, digests):
    """Returns a text for each image whose copies contradict each other.

    Args:
        names: Those of the classes.
        parts: Dict from part to `Split`.
        digests: Dict from part to what `digests_of` says of its images.
    """
    labels = collections.defaultdict(set)
    places = {}
    for part, found in digests.items():
        for row, digest in enumerate(found):
            labels[digest].add(int(parts[part].labels[row]))
            places.setdefault(digest, (part, row))
    return [
        f"{_name(parts, *places[digest])}: "
        f"{', '.join(names[i] for i in sorted(classes))}"
        for digest, classes in labels.items()
        if len(classes) > 1
    ]


def _name(parts, part, row):
    images = parts[part].images
    known = isinstance(images, Pictures)
    return name_of(images, row) if known else f"{part} {name_of(images, row)}"


def digests_of(images):
    """Returns digests that are equal where images, or their files, are."""
    if isinstance(images, Pictures):
        return np.array([images.digest(row) for row in range(len(images))])
    return np.array([digest_of(image) for image in images])


def _together(digests):
    """Returns one digest of a set of images, wherever they lie."""
    known = [d for d in digests.tolist() if not d.startswith(UNREAD)]
    return digest_of("".join(sorted(known)).encode())


def _some(images, rows):
    """Returns the names of the first few rows."""
    names = [name_of(images, row) for row in rows[:FEW]]
    return ", ".join(names) + ", ..." * (len(rows) > FEW)
