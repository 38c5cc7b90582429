"""The original tree of CUB-200-2011: lists of text beside `images/`."""

from keras_css.data.layouts.found import Listing
from keras_css.data.layouts.found import read_text
from keras_css.errors import UserError

FOLDER = "CUB_200_2011"
MOST_DIGITS = 9


def matches(path):
    """Returns the folder that holds `images.txt`, itself or in it."""
    for place in (path, path / FOLDER):
        if (place / "images.txt").is_file() and (place / "images").is_dir():
            return place
    return None


def read(root):
    """Reads pictures, classes, the official split and the boxes.

    Raises:
        UserError: If a list is damaged.
    """
    paths = _table(root / "images.txt", 1)
    labels = _table(root / "image_class_labels.txt", 1)
    training = _table(root / "train_test_split.txt", 1)
    classes = _table(root / "classes.txt", 1)
    boxes = None
    if (root / "bounding_boxes.txt").is_file():
        boxes = _table(root / "bounding_boxes.txt", 4)
    index = {key: i for i, key in enumerate(sorted(classes, key=int))}
    listing = Listing(root)
    for key, (name,) in paths.items():
        try:
            part = {"1": "train", "0": "test"}[training[key][0]]
            label = index[labels[key][0]]
            box = None
            if boxes is not None:
                left, top, width, height = map(float, boxes[key])
                box = (left, top, left + width, top + height)
        except (KeyError, ValueError) as error:
            raise UserError(
                f"The lists of '{root}' must give every image a class, a split "
                f"and, if there are boxes, a box, but image {key} lacks one."
            ) from error
        listing.add(part, root / "images" / name, label, box)
    names = [_clean(classes[key][0]) for key in index]
    return listing.found(
        f"the CUB-200-2011 tree of {root}", names, layout="cub200"
    )


def _table(path, columns):
    """Returns a dict from the first column to the list of the others."""
    table = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        key, *values = line.split(maxsplit=columns) or [""]
        numbered = key.isdecimal() and len(key) <= MOST_DIGITS
        if len(values) != columns or not numbered:
            raise UserError(
                f"Line {number} of '{path}' must be a number of at most "
                f"{MOST_DIGITS} digits and {columns} values, received "
                f"'{line[:80]}'."
            )
        table[key] = values
    return table


def _clean(name):
    """Returns `Black footed Albatross` of `001.Black_footed_Albatross`."""
    return name.partition(".")[2].replace("_", " ") or name
