"""What a reader of a layout finds, before anything is decoded."""

import dataclasses
import os
import pathlib

import numpy as np

from keras_css.data.dataset import Split
from keras_css.data.pictures import Pictures
from keras_css.errors import UserError
from keras_css_runtime.text import composed

PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Found:
    """Images as they lie somewhere.

    Attributes:
        where: Words for the log line: which layout, and its place.
        class_names: Tuple of C names, composed Unicode whatever was given.
        parts: Dict from `"train"` and, where there are such, `"validation"`
            and `"test"` to a `Split`.
        ignored: Number of files that are no pictures by their ending.
        layout: Name of the set whose tree this is, or "".
        faults: List of lines about pictures that must not be read.
        notes: List of lines on how the data were understood.
    """

    where: str
    class_names: tuple
    parts: dict
    ignored: int = 0
    faults: tuple = ()
    layout: str = ""
    notes: tuple = ()

    def __post_init__(self):
        object.__setattr__(self, "class_names", composed(self.class_names))


class Listing:
    """Collects pictures, part by part, into a `Found`.

    Args:
        root: Folder that all pictures lie in. A link that leaves it is a
            fault: a downloaded folder must not reach into other ones.
    """

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self._inside = self.root.resolve()
        self.faults = []
        self.notes = []
        self._rows = {part: [] for part in PARTS}
        self._children = {}

    def holds(self, folder):
        """Says whether a folder lies within; one that does not is a fault."""
        resolved = _resolved(folder)
        if resolved is None:
            self.faults.append(
                f"'{folder}' must be a folder, but leads nowhere."
            )
            return False
        if resolved.is_relative_to(self._inside):
            return True
        self.faults.append(
            f"'{folder}' must lie in '{self.root}', but leads to '{resolved}': "
            "copy it there."
        )
        return False

    def add(self, part, path, label, box=None):
        """Adds one picture; one that cannot be used becomes a fault."""
        resolved = _resolved(path)
        if resolved is not None and not resolved.exists():
            path = self._as_on_disk(path)
            resolved = _resolved(path)
        if resolved is None:
            self.faults.append(
                f"'{path}' must be a picture, but leads nowhere."
            )
        elif not resolved.is_relative_to(self._inside):
            self.faults.append(
                f"'{path}' must lie in '{self.root}', but leads to "
                f"'{resolved}': copy it there."
            )
        elif not resolved.is_file():
            state = "is no file" if resolved.exists() else "is missing"
            self.faults.append(f"'{path}' must be a picture, but {state}.")
        else:
            self._rows[part].append((str(path), label, box))

    def _as_on_disk(self, path):
        """Returns a path whose names are written as those on disk.

        A list may write an é as one character and the disk as two.
        """
        if str(path).isascii() or not path.is_relative_to(self.root):
            return path
        place = self.root
        for name in path.relative_to(self.root).parts:
            if not (place / name).exists():
                name = self._names_in(place).get(composed(name), name)
            place = place / name
        return place

    def _names_in(self, folder):
        """Returns a dict from the composed names in a folder to their own."""
        if folder not in self._children:
            found = os.listdir(folder) if folder.is_dir() else []
            self._children[folder] = {composed(name): name for name in found}
        return self._children[folder]

    def found(self, where, class_names, ignored=0, layout=""):
        """Returns the `Found` of all pictures added."""
        parts = {}
        for part, rows in self._rows.items():
            if not rows:
                continue
            boxes = [box for *_, box in rows]
            parts[part] = Split(
                Pictures(
                    [path for path, *_ in rows],
                    boxes=None if None in boxes else np.array(boxes, "float64"),
                ),
                np.array([label for _, label, _ in rows], "int32"),
            )
        if not parts and not self.faults:
            raise UserError(
                f"'{self.root}' must hold pictures, but none was found."
            )
        return Found(
            *(where, tuple(class_names), parts, ignored, tuple(self.faults)),
            layout=layout,
            notes=tuple(self.notes),
        )


def _resolved(path):
    """Returns where a path leads, None if no file can be there.

    Links may go in circles, names be too long or hold what no name may.
    """
    try:
        resolved = path.resolve()
        resolved.exists()
    except (OSError, RuntimeError, ValueError):
        return None
    return resolved


def read_text(path):
    """Returns the text of a list that belongs to a layout.

    Raises:
        UserError: If it is missing or no text.
    """
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"'{path}' must be text in UTF-8, but is not: {error.reason} at "
            f"byte {error.start}."
        ) from error
    except OSError as error:
        raise UserError(
            f"'{path}' must be a list of the data set, but cannot be read: "
            f"{error.strerror}."
        ) from error
