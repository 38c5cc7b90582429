"""What a set of images holds, and what looks wrong with it."""

import collections

import numpy as np

from keras_css.data.catalogue import get_entry
from keras_css.data.find import find
from keras_css.data.layouts.found import PARTS
from keras_css.data.pictures import Pictures
from keras_css.data.splits import digests_of
from keras_css.data.splits import in_several_classes
from keras_css.errors import one_line
from keras_css_runtime.pictures import open_picture

MOST_LINES = 10
# A smaller picture shows little, a longer one loses much when it is cut.
LEAST_SIDE = 8
MOST_ASPECT = 5
LOOK_AT = (32, 32, 3)


def summary_lines(request, say=print):
    """Describes a data set before anything is left out of it.

    Every picture is decoded.

    Args:
        request: The `DataRequest`.
        say: Function that takes a line for the user.

    Returns:
        List of lines.

    Raises:
        UserError: If there is no such set.
    """
    entry = get_entry(request.dataset)
    found = find(entry, request, say)
    parts = {p: found.parts[p] for p in PARTS if p in found.parts}
    lines = [f"{request.dataset}: {entry.title}", f"from {found.where}"]
    for word in ("licence", "citation", "source"):
        if getattr(entry, word):
            lines.append(f"{word}: {getattr(entry, word)}")
    lines += found.notes
    lines += _counts(entry, found.class_names, parts)
    for part, split in parts.items():
        lines += _sizes(part, split.images)
    lines += _duplicates(found.class_names, parts)
    faults = list(found.faults)
    for split in parts.values():
        if isinstance(split.images, Pictures):
            pictures = split.images.sized(LOOK_AT, boxes=request.crop_to_box)
            faults += _faults(pictures)
    lines += _listed(
        "pictures cannot be used, though counted above if they exist",
        faults,
        most=len(faults),
    )
    if found.ignored:
        lines.append(
            f"{found.ignored} other files: no picture's ending, or not in a "
            "class folder"
        )
    return [one_line(line) for line in lines]


def _counts(entry, names, parts):
    counts = {
        part: np.bincount(split.labels, minlength=len(names))
        for part, split in parts.items()
    }
    width = min(40, max(map(len, names)))
    head = "".join(f"{part:>12}" for part in counts)
    lines = ["", f"{'images':<{width}}{head}"]
    lines += [
        f"{name[:width]:<{width}}"
        + "".join(f"{counts[part][i]:>12}" for part in counts)
        for i, name in enumerate(names)
    ]
    total = "".join(f"{counts[part].sum():>12}" for part in counts)
    lines.append(f"{f'{len(names)} classes':<{width}}{total}")
    if entry.images and entry.classes:
        official = "".join(f"{entry.images.get(p, '-'):>12}" for p in counts)
        lines.append(f"{f'official: {entry.classes}':<{width}}{official}")
    return [*lines, ""]


def _sizes(part, images):
    if not isinstance(images, Pictures):
        size = "x".join(map(str, images.shape[1:]))
        return [f"{part}: arrays of {size}"]
    seen, modes, odd = [], collections.Counter(), []
    for row, source in enumerate(images.sources):
        try:
            with open_picture(source) as image:
                width, height = image.size
                modes[f"{image.format} {image.mode}"] += 1
        # Told with the pictures that cannot be used.
        except Exception:
            continue
        seen.append((height, width))
        if min(width, height) < LEAST_SIDE or (
            max(width, height) > MOST_ASPECT * min(width, height)
        ):
            odd.append(f"{images.name(row)}: {width}x{height}")
    if not seen:
        return [f"{part}: no picture can be read"]
    middle = np.median(seen, axis=0).astype(int)
    low, high = np.min(seen, axis=0), np.max(seen, axis=0)
    kinds = ", ".join(f"{n} {kind}" for kind, n in modes.most_common())
    return [
        f"{part}: height {low[0]} to {high[0]} (median {middle[0]}), width "
        f"{low[1]} to {high[1]} (median {middle[1]}); {kinds}",
        *_listed(f"suspicious {part} pictures, tiny or very long", odd),
    ]


def _duplicates(names, parts):
    digests = {part: digests_of(split.images) for part, split in parts.items()}
    lines = []
    for part, found in digests.items():
        copies = len(found) - len(np.unique(found))
        if copies:
            lines.append(f"{part}: {copies} images are copies of others in it")
    for i, part in enumerate(digests):
        for other in list(digests)[i + 1 :]:
            both = np.isin(digests[part], digests[other]).sum()
            if both:
                lines.append(
                    f"{both} {part} images are {other} images, too; training "
                    f"leaves them out of {part}"
                )
    torn = in_several_classes(names, parts, digests)
    return lines + _listed("images with copies in different classes", torn)


def _faults(pictures):
    found = []
    for _, faults in pictures.read(np.arange(len(pictures))):
        found += faults.values()
    return found


def _listed(what, lines, most=MOST_LINES):
    if not lines:
        return []
    more = len(lines) - most
    return [
        f"{len(lines)} {what}:",
        *(f"  {line}" for line in lines[:most]),
        *([f"  and {more} more"] if more > 0 else []),
    ]
