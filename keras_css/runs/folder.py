"""The run folder: what a training leaves on disk, and where."""

import json
import os
import pathlib
import shutil
import tempfile

from keras_css.errors import UserError
from keras_css_runtime.shapes import read_object

UNFINISHED = ".part-"


class RunFolder:
    """Paths of one run, and how its files are written.

    Args:
        path: The folder.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config = self.path / "config.json"
        self.history = self.path / "history.csv"
        self.result = self.path / "result.json"
        self.rollbacks = self.path / "rollbacks.json"
        self.agreement = self.path / "agreement.json"
        self.thumbnails = self.path / "thumbnails.json"
        self.checkpoints = self.path / "checkpoints"
        self.models = self.path / "models"
        # All of it: the networks and what their method has of its own.
        self.cohort = self.models / "cohort.keras"
        self.logs = self.path / "logs"
        self.report = self.path / "report.html"
        self.teacher_outputs = self.path / "teacher_outputs.f16"

    def refuse_if_used(self):
        """Raises `UserError` unless a new run may begin here."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(
                f"--run_dir must be a folder, but '{self.path}' is a file: "
                "name another place."
            )
        if self.config.exists():
            raise UserError(
                f"--run_dir must be new, but '{self.path}' already holds a "
                "run: choose another folder, or continue it with --resume."
            )
        if self.path.exists() and any(self.path.iterdir()):
            raise UserError(
                f"--run_dir must be new or empty, but '{self.path}' holds "
                "other files: choose another folder."
            )

    def begin(self, config):
        """Claims the folder for a new run: `config.json` appears, complete.

        Args:
            config: The contents of `config.json`.

        Raises:
            UserError: If another run has claimed it, or it cannot be written.
        """
        text = json_text(config)
        self.refuse_if_used()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with open(self.config, "x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            self.refuse_if_used()
            raise
        except OSError as error:
            raise UserError(
                "--run_dir must be a place that can be written, but "
                f"'{self.path}' cannot: {error.strerror}."
            ) from error
        self.make_rooms()

    def make_rooms(self):
        """Makes the folders that a run writes into, where missing."""
        for room in (self.checkpoints, self.models):
            room.mkdir(exist_ok=True)

    def remove_unfinished(self):
        """Removes what a killed process left half-written."""
        for part in self.path.glob(f"**/{UNFINISHED}*"):
            shutil.rmtree(part, ignore_errors=True)

    def read_json(self, path):
        """Returns the contents of one of the run's JSON files.

        Raises:
            UserError: If it is missing or damaged.
        """
        try:
            return read_object(path)
        except FileNotFoundError:
            raise UserError(
                f"'{self.path}' must be the folder of a run, but has no "
                f"{path.name}: check --run_dir."
            ) from None
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} must be a JSON file written by a run, but cannot be "
                f"read: {error}"
            ) from error


def new_run_dir(parent, stem):
    """Returns `parent/stem-1`, or the next number that is free."""
    number = 1
    while (pathlib.Path(parent) / f"{stem}-{number}").exists():
        number += 1
    return pathlib.Path(parent) / f"{stem}-{number}"


def write_atomically(path, write):
    """Writes a file so that it is whole or not there at all.

    Args:
        path: Where the file belongs.
        write: Function that writes to the path it is given, which has the
            same ending and lies in the same folder.
    """
    path = pathlib.Path(path)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=path.parent))
    part = folder / path.name
    try:
        write(part)
        # Windows syncs only what may be written.
        with open(part, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_together(contents):
    """Writes several files of one folder: all are whole before one appears.

    Args:
        contents: Dict from path to bytes.
    """
    paths = list(contents)
    folder = tempfile.mkdtemp(prefix=UNFINISHED, dir=paths[0].parent)
    try:
        for path in paths:
            with open(pathlib.Path(folder) / path.name, "wb") as file:
                file.write(contents[path])
                file.flush()
                os.fsync(file.fileno())
        for path in paths:
            os.replace(pathlib.Path(folder) / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_json(path, value):
    """Writes a JSON file atomically; NaN and infinity are refused."""
    text = json_text(value)
    write_atomically(path, lambda part: part.write_text(text, "utf-8"))


def json_text(value):
    """Returns the text of a JSON file; NaN and infinity are refused."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
