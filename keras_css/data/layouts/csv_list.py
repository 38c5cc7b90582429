"""A CSV file of `path,label[,split]`, paths relative to its folder."""

import csv
import io

from keras_css.data.layouts.class_folders import NAMES
from keras_css.data.layouts.found import Listing
from keras_css.data.layouts.found import read_text
from keras_css.errors import UserError
from keras_css_runtime.text import composed

PART_OF = {name: part for part, names in NAMES.items() for name in names}


def matches(path):
    """Returns the file if it ends in .csv, else None."""
    return path if path.is_file() and path.suffix.lower() == ".csv" else None


def read(path):
    """Reads the list; classes are the labels of the training rows, sorted.

    Labels that differ only in how Unicode writes them are one.

    Raises:
        UserError: If a row does not fit; the line is named.
    """
    try:
        rows = list(csv.reader(io.StringIO(read_text(path), newline="")))
    except csv.Error as error:
        raise UserError(
            f"'{path}' must be comma-separated text: {error}."
        ) from error
    header = [name.strip().lower() for name in rows[0]] if rows else []
    once = len(set(header)) == len(header)
    if not {"path", "label"} <= set(header) or not once:
        raise UserError(
            f"The first line of '{path}' must name the columns, path,label and "
            "if you like split, each once with a comma between, received "
            f"'{','.join(header)[:80]}'."
        )
    entries = []
    for number, row in enumerate(rows[1:], 2):
        if not any(map(str.strip, row)):
            continue
        if len(row) != len(header):
            raise _error(path, number, f"{len(header)} columns", len(row))
        entry = dict(zip(header, map(str.strip, row)))
        part = entry.get("split", "train").lower()
        if part not in PART_OF:
            raise _error(path, number, "a split train, val or test", part)
        if not entry["path"] or not entry["label"]:
            raise _error(path, number, "a path and a label", "an empty one")
        label = composed(entry["label"])
        entries.append((number, PART_OF[part], entry["path"], label))
    classes = sorted({row[3] for row in entries if row[1] == "train"})
    if len(classes) < 2:
        raise UserError(
            f"'{path}' must have training rows of at least two labels, "
            f"received {', '.join(classes) or 'none'}."
        )
    listing = Listing(path.parent)
    labels = {name: i for i, name in enumerate(classes)}
    for number, part, name, label in entries:
        if label not in labels:
            raise _error(path, number, "a label of the training rows", label)
        listing.add(part, path.parent / name, labels[label])
    return listing.found(f"list {path}", classes)


def _error(path, number, wanted, received):
    return UserError(
        f"Line {number} of '{path}' must have {wanted}, received '{received}'."
    )
