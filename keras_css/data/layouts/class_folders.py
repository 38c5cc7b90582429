"""Class folders: `train/ val/ test/`, or the classes themselves."""

import collections
import os
import pathlib

from keras_css.data.layouts.found import Listing
from keras_css.errors import UserError
from keras_css_runtime.pictures import ENDINGS
from keras_css_runtime.text import composed

NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def matches(path):
    """Returns the folder if it holds folders, else None."""
    return path if path.is_dir() and _folders(path) else None


def read(root):
    """Reads the pictures of each class folder, folders in it included.

    Without a `test/` folder a test part is taken from the training images,
    without `val/` a validation part.

    Raises:
        UserError: If the folders do not form a data set.
    """
    folders = _folders(root)
    by_name = {folder.name.lower(): folder for folder in folders}
    parts = {}
    for part, names in NAMES.items():
        found = [by_name[name] for name in names if name in by_name]
        if len(found) > 1:
            raise UserError(
                f"'{root}' must have one folder for the {part} part, received "
                f"{' and '.join(f.name for f in found)}: keep one."
            )
        if found:
            parts[part] = found[0]
    if "train" not in parts:
        if parts:
            raise UserError(
                f"'{root}' must have a train/ folder beside "
                f"{', '.join(f.name + '/' for f in parts.values())} (if that "
                "is the name of a class, give it another one)."
            )
        parts = {"train": root}
    others = len(folders) - len(parts)
    if parts["train"] != root and others:
        raise UserError(
            f"'{root}' must hold folders of parts or of classes, received "
            f"{', '.join(f.name for f in parts.values())} and {others} more: "
            "move them elsewhere."
        )
    classes = sorted({composed(f.name) for f in _folders(parts["train"])})
    if len(set(map(str.lower, classes))) < 2:
        raise UserError(
            f"'{parts['train']}' must hold a folder for each of at least two "
            f"classes, received {', '.join(classes) or 'none'}."
        )
    listing = Listing(root)
    ignored = 0 if parts["train"] == root else _loose(root)
    for part, folder in parts.items():
        listing.notes += _twice(folder)
        ignored += _loose(folder)
        for class_folder in _folders(folder):
            name = composed(class_folder.name)
            if name not in classes:
                raise UserError(
                    f"'{class_folder}' must be a class of the training images, "
                    f"{_some(classes)}, but is none of them."
                )
            label = classes.index(name)
            if not listing.holds(class_folder):
                continue
            pictures, others = _pictures(class_folder, listing)
            if not pictures and part == "train":
                raise UserError(
                    f"Class folder '{class_folder}' must hold pictures, but "
                    f"has none that ends in {', '.join(ENDINGS)}: add some or "
                    "remove the folder."
                )
            ignored += others
            for path in pictures:
                listing.add(part, path, label)
    kind = "class folders of" if parts["train"] == root else "folders"
    names = [f.name for f in parts.values()]
    where = (
        f"{kind} {root}"
        if len(parts) == 1
        else (f"class folders in {', '.join(names)} of {root}")
    )
    return listing.found(where, classes, ignored)


def _twice(folder):
    """Returns a line for each class of several folders: their names differ
    only in how Unicode writes them.
    """
    names = collections.Counter(composed(f.name) for f in _folders(folder))
    return [
        f"{count} folders of '{folder}' are called '{name}', in different "
        "forms of Unicode: they are one class"
        for name, count in names.items()
        if count > 1
    ]


def _loose(folder):
    """Returns how many files lie beside the folders."""
    return sum(
        path.is_file() and not path.name.startswith(".")
        for path in folder.iterdir()
    )


def _folders(path):
    return sorted(
        folder
        for folder in path.iterdir()
        if folder.is_dir() and not folder.name.startswith((".", "__"))
    )


def _pictures(folder, listing):
    """Returns the pictures of a folder, sorted, and the number of others."""
    found, others = [], 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in folders:
            path = pathlib.Path(place, name)
            if path.is_symlink():
                listing.faults.append(
                    f"'{path}' must be a folder, but is a link: copy it there."
                )
        for name in files:
            path = pathlib.Path(place, name)
            if path.suffix.lower() in ENDINGS and not name.startswith("."):
                found.append(path)
            else:
                others += 1
    return sorted(found), others


def _some(names):
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
