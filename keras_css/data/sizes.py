"""Which height and width networks see."""

import numpy as np

from keras_css.data.pictures import Pictures
from keras_css.errors import UserError
from keras_css_runtime.pictures import open_picture
from keras_css_settings.data import LARGEST

LOOKED_AT = 64
USUAL = (64, 64)
# Pictures of one size up to this are taken as they are.
MOST_AS_IS = 128


def decide_sizes(entry, parts, request, say):
    """Returns the shape that networks see and the fraction of a picture.

    Args:
        entry: The `Entry`.
        parts: Dict from part to `Split`, unread.
        request: The `DataRequest`.
        say: Function that takes a line for the user.

    Returns:
        `((H, W, channels), crop_fraction)`.

    Raises:
        UserError: If the wanted size or fraction makes no sense, or boxes are
            wanted that are not there.
    """
    images = parts["train"].images
    encoded = isinstance(images, Pictures)
    size = request.image_size or entry.recipe.image_size
    crop_fraction = request.crop_fraction or entry.recipe.crop_fraction
    if request.crop_to_box and not all(
        isinstance(split.images, Pictures) and split.images.boxes is not None
        for split in parts.values()
    ):
        raise UserError(
            "--crop_to_box needs pictures that have boxes, as the original "
            "trees of CUB-200-2011, Stanford Dogs and Stanford Cars have: "
            "leave it out."
        )
    if size is None:
        size = _usual_size(images) if encoded else images.shape[1:3]
        if encoded:
            say(f"pictures are scaled to {size[0]}x{size[1]} (--image_size)")
    if not all(1 <= side <= LARGEST for side in size):
        raise UserError(
            f"--image_size must lie between 1 and {LARGEST}, received "
            f"{'x'.join(map(str, size))}."
        )
    return (*size, 3 if encoded else images.shape[3]), crop_fraction


def _usual_size(pictures):
    """Returns the pictures' own size if it is one and small, else a usual."""
    rows = np.linspace(0, len(pictures) - 1, min(len(pictures), LOOKED_AT))
    sizes = {_size(pictures.sources[int(row)]) for row in rows} - {None}
    width, height = next(iter(sizes)) if len(sizes) == 1 else (0, 0)
    if min(width, height) > 1 and max(width, height) <= MOST_AS_IS:
        return height, width
    return USUAL


def _size(source):
    try:
        with open_picture(source) as image:
            return image.size
    # A bad picture is judged when it is read.
    except Exception:
        return None
