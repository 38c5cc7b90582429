"""The original tree of Stanford Dogs: `Images/<breed>/` and `lists/*.mat`."""

import re

from keras_css.data.layouts.found import Listing
from keras_css.errors import UserError
from keras_css.untrusted.matlab import load_mat

LISTS = {"train": "train_list.mat", "test": "test_list.mat"}
# The lists lie in lists.tar, which some unpack beside Images/.
PLACES = ("lists", ".")


def matches(path):
    """Returns the folder that holds `Images/` and the lists, else None."""
    if not (path / "Images").is_dir() or _lists(path) is None:
        return None
    return path


def read(root):
    """Reads pictures, breeds, the official split and, if there, the boxes.

    Of a photo with several dogs the box of the first one is taken.

    Raises:
        UserError: If a list is damaged.
    """
    lists = _lists(root)
    rows = []
    for part, name in LISTS.items():
        files, labels = load_mat(lists / name, "file_list", "labels")
        if len(files) != len(labels):
            raise UserError(
                f"'{lists / name}' must have one label a file, received "
                f"{len(files)} files and {len(labels)} labels."
            )
        rows += [(part, str(f), int(y)) for f, y in zip(files, labels)]
    breeds = {label: file.split("/")[0] for _, file, label in rows}
    index = {label: i for i, label in enumerate(sorted(breeds))}
    boxes = (root / "Annotation").is_dir()
    listing = Listing(root)
    for part, file, label in rows:
        box = _box(root / "Annotation" / file.rpartition(".")[0], boxes)
        listing.add(part, root / "Images" / file, index[label], box)
    names = [_clean(breeds[label]) for label in index]
    return listing.found(
        f"the Stanford Dogs tree of {root}", names, layout="stanford_dogs"
    )


def _lists(root):
    for place in PLACES:
        if all((root / place / name).is_file() for name in LISTS.values()):
            return root / place
    return None


def _box(path, wanted):
    """Returns the first box of an annotation, which is XML of known tags."""
    if not wanted:
        return None
    try:
        text = path.read_text("utf-8", "replace")
        sides = [
            float(re.search(rf"<{side}>\s*(\d+)\s*</{side}>", text)[1])
            for side in ("xmin", "ymin", "xmax", "ymax")
        ]
    except (OSError, TypeError, ValueError) as error:
        raise UserError(
            f"'{path}' must hold the box of a dog, but is missing or damaged: "
            "complete or remove the Annotation folder."
        ) from error
    return tuple(sides)


def _clean(name):
    """Returns `Cardigan` of `n02113186-Cardigan`."""
    return name.partition("-")[2].replace("_", " ") or name
