"""The page of a run, written from what its folder holds."""

from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.report import Contents
from keras_css.report import page
from keras_css.runs.folder import write_atomically
from keras_css.runs.history import read_history
from keras_css_runtime.shapes import ANY_NAME
from keras_css_runtime.shapes import NUMBERS
from keras_css_runtime.shapes import RUN
from keras_css_runtime.shapes import fits
from keras_css_runtime.shapes import is_result
from keras_css_runtime.shapes import read_object

# What a page tells, besides what any reader of a run needs.
COUNTS = {ANY_NAME: int}
TOLD = {
    **{"method": str, "dataset": str, "class_names": [str]},
    **{"parameters": COUNTS, "calibration_error": NUMBERS},
    "diversity": {ANY_NAME: (float, None)},
    "most_accurate": {"student": str, "ahead": float, "noise": float},
}
NOTES = {"where": str, "left_out": [str], "skipped": [str]}
STORED = {**RUN, "data_notes": NOTES}
ANSWER = {"label": int, "answer": int, "probability": float, "image": str}
COLUMNS = {
    **{name: [int] for name in ("images", "right", "times")},
    **{name: [(float, None)] for name in ("accuracy", "low", "high")},
    **{"taken_for": [(int, None)], "training_images": [int]},
}
ANSWERS = {
    "classes": COLUMNS,
    "confusion": ([[int]], None),
    "most_confused": [{"label": int, "answer": int, "times": int}],
    **{name: [ANSWER] for name in ("sure_mistakes", "unsure_answers")},
    "accuracy": float,
    "unsure_below": [
        {"below": float, "answered": float, "accuracy": (float, None)}
    ],
    "calibration": {
        **{"error": float, "error_mended": float, "temperature": float},
        "bins": [{"images": int, "accuracy": (float, None)}],
    },
}
AGREEMENT = {"students": [str], "pairs": {"disagreement": [[float]]}}
URLS = [str]
THUMBNAILS = {
    **{"classes": [URLS], "sure_mistakes": URLS, "unsure_answers": URLS}
}
EXPORT = {
    **{"student": str, "precision": str, "bytes": int, "accuracy": dict},
    "proof": {"largest_difference": float},
}
SPEED = {"p50_ms": float, "p90_ms": float, "images_per_second": float}
BENCHMARK = {"batches": [{"batch_size": int, "file": SPEED}]}


def write_report(folder, say, result=None):
    """Writes the page of a run, anew if there is one.

    What stops a page must not stop what it tells of: it is said.

    Args:
        folder: The `RunFolder`.
        say: Function that takes a line, if no page is written.
        result: What will be the contents of `result.json`; default what is.
    """
    try:
        text = page(_contents(folder, result))
        write_atomically(
            folder.report, lambda part: part.write_text(text, "utf-8")
        )
    # Files may be damaged in any way.
    except Exception as error:
        say(f"no report is written: {first_line(error)}")


def _contents(folder, result):
    """Returns the `Contents` of a run; what is not whole is left out.

    Raises:
        UserError: If nothing can be told without.
    """
    result = result or folder.read_json(folder.result)
    stored = folder.read_json(folder.config)
    if not (is_result(result) and fits(result, TOLD) and fits(stored, STORED)):
        raise UserError(
            f"'{folder.path}' must be a run as this version writes it, but "
            "something in it is missing or of another kind."
        )
    answers = result.get("answers")
    exports = _beside(folder, ".json", EXPORT)
    benchmarks = _beside(folder, ".benchmark.json", BENCHMARK)
    return Contents(
        path=folder.path,
        result=result,
        stored=stored,
        rows=read_history(folder.history),
        # Runs of before have none.
        answers=answers if fits(answers, ANSWERS) else None,
        agreement=_read(folder.agreement, AGREEMENT),
        thumbnails=_read(folder.thumbnails, THUMBNAILS),
        exports=exports,
        benchmarks={k: v for k, v in benchmarks.items() if k in exports},
    )


def _beside(folder, ending, shape):
    """Returns dict from an ONNX file's name to what is told beside it."""
    found = {
        path.name: _read(path.with_suffix(ending), shape)
        for path in sorted(folder.path.glob("*.onnx"))
    }
    return {name: told for name, told in found.items() if told}


def _read(path, shape):
    """Returns what a file holds, None if it is not there or not whole."""
    try:
        found = read_object(path)
    except (OSError, ValueError):
        return None
    return found if fits(found, shape) else None
