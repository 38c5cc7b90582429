"""What the JSON files of a run must hold, so that readers can rely on it."""

import json
import math
import pathlib
from typing import Any

ANY_NAME = ...


def fits(value: object, shape: Any) -> bool:
    """Says whether a JSON value has a shape.

    Args:
        value: As `json` reads it.
        shape: `str`, `int`, `float` (finite; whole numbers, too), `bool`,
            `dict` or None; a tuple of alternatives; a list of one shape that
            all entries have; a dict of keys that must be there and their
            shapes, or of `ANY_NAME` and the shape of all values.
    """
    if isinstance(shape, tuple):
        return any(fits(value, one) for one in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(v, shape[0]) for v in value)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return False
        if ANY_NAME in shape:
            return all(fits(v, shape[ANY_NAME]) for v in value.values())
        return all(k in value and fits(value[k], s) for k, s in shape.items())
    if shape is None:
        return value is None
    return _is_a(value, shape)


def _is_a(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        # Whole numbers have no end in JSON, floats have.
        number = isinstance(value, (int, float)) and abs(value) < 1e300
        return number and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and abs(value) < 2**63
    if kind is str:
        # Half of a character that JSON may hold is no text.
        return isinstance(value, str) and not _has_surrogates(value)
    return isinstance(value, kind)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


NUMBERS = {ANY_NAME: float}
RESULT = {
    "validation": NUMBERS,
    "test": NUMBERS,
    "best_student": str,
    "selected_epoch": {"epoch": int, "validation": NUMBERS, "test": NUMBERS},
    "student_parameters": {ANY_NAME: int},
    "seconds": {"total": float},
}
DATA = {
    "class_names": [str],
    "image_shape": [int],
    "training_images": int,
    "validation_images": int,
    "test_images": int,
}
MACHINE = {"processor": str, "cores": int, "gpu": (str, None), "system": str}
RUN = {"config": dict, "backend": str, "data": DATA}
# What a table tells of its cells, besides.
CELL = {
    **RUN,
    "config": {
        **{"epochs": int, "batch_size": int, "learning_rate": float},
        **{"branches": int, "transformation": str, "joint_labels": bool},
        **{f"network_{letter}": str for letter in "abcd"},
    },
    "versions": {ANY_NAME: str},
    "date": str,
    "machine": MACHINE,
}
GRID = {"datasets": [str], "methods": [str], "seeds": [int]}


def is_result(value: Any) -> bool:
    """Says whether a value is the contents of a `result.json`."""
    if not fits(value, RESULT):
        return False
    students = set(value["validation"])
    others = (value["test"], *_parts_of(value["selected_epoch"]))
    return (
        all(set(other) == students for other in others)
        and set(value["student_parameters"]) <= students
        and value["best_student"] in students
    )


def _parts_of(epoch):
    return epoch["validation"], epoch["test"]


def read_object(path: pathlib.Path) -> dict[str, Any]:
    """Returns the JSON object in a file.

    Raises:
        ValueError: If there is none; OSError if it cannot be read.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found
