"""Reading every picture once, before training: to keep it, or to know it."""

import os
import time

import numpy as np

from keras_css.data.dataset import Split
from keras_css.data.pictures import Pictures
from keras_css.errors import UserError
from keras_css.errors import one_line

# Of the machine's memory, that `auto` gives to images.
RESIDENT_SHARE = 0.25
RESIDENT_MOST = 4 * 2**30
# What a machine has that does not say.
SMALL_MEMORY = 8 * 2**30
SECONDS_BETWEEN_SIGNS = 3


def in_shape(images, part, shape, crop_fraction, request):
    """Returns images that are read in the shape that their part needs.

    Training images keep what random crops may show; others are cut around
    their centre.

    Args:
        images: `Pictures`, or a uint8 array `(N, H, W, c)`.
        part: Name of the part.
        shape: `(H, W, c)` that networks see.
        crop_fraction: Part of a picture's sides that they see.
        request: The `DataRequest`.
    """
    stored = tuple(round(side / crop_fraction) for side in shape[:2])
    training = part == "train"
    wanted = (*(stored if training else shape[:2]), shape[2])
    if not isinstance(images, Pictures):
        if images.shape[1:] == wanted and (training or crop_fraction == 1):
            return images
        images = Pictures(list(images))
    return images.sized(
        wanted,
        crop_fraction=1.0 if training else crop_fraction,
        boxes=request.crop_to_box,
        margin=request.box_margin,
    )


def is_resident(parts, feeding):
    """Says whether the images of all parts are kept, decoded."""
    if feeding != "auto":
        return feeding == "resident"
    need = sum(int(np.prod(split.images.shape)) for split in parts.values())
    return need <= min(RESIDENT_SHARE * _memory(), RESIDENT_MOST)


def _memory():
    """Returns the machine's memory in bytes, a small one's if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # Windows has no such function.
    except AttributeError:
        return SMALL_MEMORY


def read_once(split, part, resident, say):
    """Reads every picture of a part.

    Args:
        split: The `Split`, unread or an array already.
        part: Its name, for progress.
        resident: Whether to keep the images.
        say: Function that takes a line for the user.

    Returns:
        `(split, faults)`: what can be read, and a list of what cannot.
    """
    pictures = split.images
    if not isinstance(pictures, Pictures):
        return split, []
    kept = np.zeros(pictures.shape if resident else (0,), "uint8")
    done, faults, told = 0, {}, time.monotonic()
    for images, wrong in pictures.read(np.arange(len(pictures))):
        if resident:
            kept[done : done + len(images)] = images
        done += len(images)
        faults.update(wrong)
        if time.monotonic() - told > SECONDS_BETWEEN_SIGNS:
            told = time.monotonic()
            say(f"reading {part} pictures: {done:,} of {len(pictures):,}")
    good = np.ones(len(split), bool)
    good[list(faults)] = False
    if not resident:
        return split.take(good) if faults else split, list(faults.values())
    if faults:
        kept = kept[good]
    names = np.array([pictures.name(row) for row in range(len(pictures))])
    return (
        Split(kept, split.labels[good], names[good]),
        list(faults.values()),
    )


def judge(faults, on_bad_image, say):
    """Raises the first fault, or lists them, as the user wants it."""
    if not faults:
        return
    if on_bad_image == "error":
        raise UserError(_first(faults))
    for fault in faults[:10]:
        say(f"skipped: {one_line(fault)}")
    if len(faults) > 10:
        say(
            f"skipped: {len(faults) - 10} more; data.py summary names all, and "
            "so does the config.json of a run"
        )


def _first(faults):
    more = f" And {len(faults) - 1} more such." if len(faults) > 1 else ""
    return (
        f"{faults[0]}{more} Mend it, or leave such pictures out with "
        "--on_bad_image skip."
    )
