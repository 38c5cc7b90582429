"""Teachers as commands name them: finished runs, files, published models."""

import pathlib

from keras_css.class_names import read_class_names
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.runs.checkpoints import checksum
from keras_css.runs.cohort import load_cohort
from keras_css.runs.folder import RunFolder
from keras_css.teachers import Teacher
from keras_css.teachers import teacher_of
from keras_css.teachers.applications import application_teacher
from keras_css.untrusted.keras_files import load_keras
from keras_css_runtime.shapes import is_result

PUBLISHED = "applications:"


def find_teachers(wanted, class_names):
    """Returns the teachers that were named.

    Args:
        wanted: List of texts: a run's folder, `FOLDER@STUDENT`, a file
            `.keras` or `.onnx`, or `applications:NAME`.
        class_names: Of the data, in order.

    Returns:
        List of `Teacher`; `about` has a checksum, and the student.

    Raises:
        UserError: If one is missing, damaged, or knows other classes.
    """
    teachers = [_find(text, len(class_names)) for text in wanted]
    for teacher in teachers:
        teacher.check(len(class_names), class_names)
    return teachers


def check_same_teachers(stored, teachers):
    """Raises `UserError` unless the teachers are those a run began with.

    Args:
        stored: The contents of `config.json`.
        teachers: List of `Teacher`.
    """
    before = stored.get("teachers", [])
    after = [teacher.about for teacher in teachers]
    if len(before) != len(after):
        raise UserError(
            f"--teacher must name the run's {len(before)} teachers, received "
            f"{len(after)}."
        )
    for then, now, teacher in zip(before, after, teachers):
        if then != now:
            raise UserError(
                f"Teacher '{teacher.name}' must be as it was when the run "
                f"began, {then}, received {now}: put it back, or say by "
                "--teacher where it is now."
            )


def _find(text, num_classes):
    if text.startswith(PUBLISHED):
        name = text.removeprefix(PUBLISHED)
        return application_teacher(name, text, num_classes)
    path, student = pathlib.Path(text), None
    if not path.exists() and "@" in text:
        place, _, student = text.rpartition("@")
        path = pathlib.Path(place)
    if path.is_dir():
        return _of_run(text, RunFolder(path), student)
    if not path.exists():
        raise UserError(
            "--teacher must be the folder of a finished run, a file .keras or "
            f".onnx, or {PUBLISHED}NAME, but '{path}' is missing: if it was "
            "moved, say where it is now."
        )
    if student is not None:
        raise UserError(
            f"A student can be chosen of a run, received '{text}': leave "
            f"@{student} out."
        )
    about = {"sha256": checksum(path)}
    if path.suffix == ".onnx":
        # Only here: onnxruntime takes its time.
        from keras_css.teachers.onnx_file import OnnxTeacher

        return OnnxTeacher(path, text, about)
    return Teacher(load_keras(path), text, read_class_names(path), about)


def _of_run(text, folder, student):
    result = folder.read_json(folder.result)
    if not is_result(result):
        raise UserError(
            f"'{folder.result}' must be as a run wrote it, but something in it "
            "is missing or of another kind: restore it, or train again."
        )
    distiller = load_cohort(folder)
    student = student or result["best_student"]
    if student not in distiller.student_parts():
        raise unknown_name("student", student, distiller.student_parts())
    about = {"student": student, "sha256": checksum(folder.cohort)}
    return teacher_of(distiller, student, text, result["class_names"], about)
