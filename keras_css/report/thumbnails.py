"""Small copies of test pictures, as text that a page can hold."""

import base64
import io

import numpy as np
from PIL import Image

# Of a class's samples, and of single answers, which are looked at.
SIDE, LARGE = 64, 128
# Smaller images stay as they are: a browser enlarges them.
SMALL = 32
# Of all classes together, so that the page stays below 2 MB.
SAMPLES, SAMPLES_A_CLASS = 200, 4


def make_thumbnails(split, answers):
    """Returns thumbnails of what a report shows of the test part.

    They are encoded anew from pixels, so nothing of what a file tells of its
    picture (place, owner) is in them.

    Args:
        split: The test `Split`.
        answers: What `measure_answers` returned.

    Returns:
        Dict of data URLs: `classes`, a list for each class (of many, only the
        first have any); `sure_mistakes` and `unsure_answers`, lists in the
        order of those of `answers`.
    """
    classes = len(answers["classes"]["images"])
    count = min(SAMPLES_A_CLASS, max(1, SAMPLES // classes))
    found = {
        "classes": [
            _encoded(split, _spread(split.labels == label, count), SIDE)
            for label in range(min(classes, SAMPLES))
        ]
    }
    for part in ("sure_mistakes", "unsure_answers"):
        rows = [answer["row"] for answer in answers[part]]
        found[part] = _encoded(split, rows, LARGE)
    return found


def _spread(members, count):
    """Returns a few of the rows that are members, from all over."""
    rows = np.flatnonzero(members)
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows)))
    return rows[chosen.astype(int)]


def _encoded(split, rows, side):
    if not len(rows):
        return []
    return [thumbnail(image, side) for image in split.images[np.asarray(rows)]]


def thumbnail(image, side=SIDE):
    """Returns a data URL of a small copy of an image.

    Args:
        image: uint8 array `(H, W, c)`; of other than three channels the
            first is shown.
        side: Most pixels of its width and height.
    """
    pixels = np.asarray(image)
    if pixels.shape[-1] != 3:
        pixels = pixels[..., 0]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    small = max(picture.size) <= SMALL
    picture.thumbnail((side, side))
    form, options = ("PNG", {}) if small else ("JPEG", {"quality": 72})
    target = io.BytesIO()
    picture.save(target, form, optimize=True, **options)
    text = base64.b64encode(target.getvalue()).decode()
    return f"data:image/{form.lower()};base64,{text}"
