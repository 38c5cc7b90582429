"""Classifies pictures and folders of them, and prints what was found."""

import csv
import json
import sys
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_css_runtime.classifier import OnnxClassifier
from keras_css_runtime.errors import UnreadPicturesError
from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import one_line
from keras_css_runtime.pictures import find_pictures
from keras_css_runtime.settings import COUNT
from keras_css_runtime.settings import Number

SHARE = Number(0, 1)

# What is told of one picture.
Entry = dict[str, Any]


def predict(
    file: str,
    places: Sequence[str],
    form: str = "lines",
    top: int = 1,
    batch_size: int = 32,
    provider: str = "cpu",
    unsure_below: float = 0.0,
) -> None:
    """Prints the likeliest class of each picture.

    A picture that cannot be read is named on standard error; the others are
    classified.

    Args:
        file: Path of an exported student.
        places: Paths of pictures and of folders of pictures.
        form: `"lines"`; `"json"` or `"csv"` for every class's probability.
        top: How many of the likeliest classes lines show.
        batch_size: Most pictures at a time.
        provider: `"cpu"`, `"cuda"` or `"tensorrt"`.
        unsure_below: Lines say `unsure` before a class of less probability;
            JSON and CSV get `unsure`, true or false, unless this is 0.

    Raises:
        UserError: If the file is none of ours, no picture can be read, or a
            number is out of range.
        UnreadPicturesError: If some pictures could not be read.
    """
    COUNT.check("--top", top)
    COUNT.check("--batch_size", batch_size)
    SHARE.check("--unsure_below", unsure_below)
    classifier = OnnxClassifier(file, provider, batch_size)
    pictures = [path for place in places for path in find_pictures(place)]
    entries = _entries(classifier, pictures, unsure_below)
    if form == "json":
        found = list(entries)
        _check_any(found)
        print(json.dumps(found, indent=2))
    elif form == "csv":
        found = _print_csv(
            entries, classifier.class_names, ["unsure"] * bool(unsure_below)
        )
    else:
        width = max(len(str(path)) for path in pictures)
        found = _print_lines(entries, width, top)
    _check_any(found)
    faults = [entry for entry in found if "error" in entry]
    if faults:
        raise UnreadPicturesError(
            f"{len(faults)} of {len(found)} pictures could not be read."
        )


def _entries(
    classifier: OnnxClassifier, pictures: list[Path], unsure_below: float
) -> Iterator[Entry]:
    """Yields a dict for each picture; says on standard error what is wrong."""
    names = classifier.class_names
    # The one line of a single picture is that of the command.
    aloud = len(pictures) > 1
    for path, row, fault in classifier.each(pictures):
        if row is not None:
            probability = float(row.max())
            unsure = {"unsure": probability < unsure_below}
            yield {
                "picture": str(path),
                "class": names[row.argmax()],
                "probability": probability,
                **(unsure if unsure_below else {}),
                "probabilities": dict(zip(names, row.tolist())),
            }
            continue
        if aloud:
            print(f"skipped: {one_line(fault)}", file=sys.stderr)
        nothing = dict.fromkeys(("class", "probability", "probabilities"))
        yield {"picture": str(path), **nothing, "error": fault}


def _check_any(found: list[Entry]) -> None:
    """Raises `UserError` if no picture could be read."""
    faults = [entry["error"] for entry in found if "error" in entry]
    if len(faults) == len(found):
        more = f" And {len(faults) - 1} more such." if len(faults) > 1 else ""
        raise UserError(f"{faults[0]}{more}")


def _print_lines(entries: Iterable[Entry], width: int, top: int) -> list[Entry]:
    found = []
    for entry in entries:
        found.append(entry)
        if "error" in entry:
            continue
        ranked = sorted(entry["probabilities"].items(), key=lambda i: -i[1])
        shown = [f"{name} {p:.3f}" for name, p in ranked[:top]]
        if entry.get("unsure"):
            shown.insert(0, "unsure")
        line = f"{entry['picture']:<{width}}  {'  '.join(shown)}"
        print(one_line(line))
    return found


def _print_csv(
    entries: Iterable[Entry], names: list[str], more: list[str]
) -> list[Entry]:
    """Prints a row as soon as its picture is classified."""
    columns = ("picture", "class", "probability", *more, "error")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow([*columns, *(one_line(f"p({name})") for name in names)])
    found = []
    for entry in entries:
        found.append(entry)
        told = [entry.get(column) for column in columns]
        shares = (entry["probabilities"] or {}).values()
        table.writerow([_cell(value) for value in (*told, *shares)])
    return found


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else one_line(value)
