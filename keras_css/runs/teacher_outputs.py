"""What teachers say of a run's images, computed once and kept in a file."""

import hashlib
import time

import keras
import numpy as np

from keras_css.data.batches import EvaluationBatches
from keras_css.data.batches import even_batch_size
from keras_css.errors import UserError
from keras_css.runs.folder import write_json
from keras_css.training.compiled import compiled
from keras_css_runtime.shapes import fits
from keras_css_runtime.shapes import read_object
from keras_css_settings import Augmentation
from keras_css_settings.setting import fields_of

TABLE = {"about": dict, "rows": int, "sha256": str}
SAVE_SECONDS = 10.0
TYPE = np.dtype("<f2")


class TeacherOutputs:
    """Rows of logits in a file that grows until it is whole.

    Bare float16 numbers `(rows, C, V, t)` of t teachers and V views that
    networks have of an image, and beside them a table: what they are of, how
    many there are, and their checksum.

    Args:
        path: Of the file; the table's ends in `.json`.
        about: Dict of texts that tells these rows from others.
        shape: `(rows, C, V, t)` of the whole file.

    Raises:
        UserError: If there are rows of something else, or damaged ones.
    """

    def __init__(self, path, about, shape):
        self.path, self.about, self.shape = path, about, shape
        self.table = path.with_suffix(".json")
        self.rows, self._digest = 0, hashlib.sha256()
        begun = self.table.exists()
        if begun:
            self._check_table()
        else:
            path.unlink(missing_ok=True)
        self._array = np.memmap(path, TYPE, "r+" if begun else "w+", 0, shape)
        if begun:
            self._check_rows()

    @property
    def missing(self):
        """Rows that are not there yet."""
        return self.shape[0] - self.rows

    def append(self, values):
        """Adds rows `(b, C, V, t)`; they count once `save` is called."""
        # Of what is NaN, no largest is below.
        if not np.abs(values).max() <= np.finfo(TYPE).max:
            raise UserError(
                "Teachers must put out finite numbers that float16 can hold, "
                f"received others for image {self.rows}: give another, or "
                "--teacher_views 0."
            )
        values = values.astype(TYPE)
        self._array[self.rows : self.rows + len(values)] = values
        self._digest.update(values.tobytes())
        self.rows += len(values)

    def save(self):
        """Makes the rows so far last."""
        self._array.flush()
        digest = self._digest.hexdigest()
        found = {"about": self.about, "rows": self.rows, "sha256": digest}
        write_json(self.table, found)

    def take(self, rows):
        """Returns rows as a float16 array."""
        return np.asarray(self._array[rows])

    def _check_table(self):
        try:
            self._stored = read_object(self.table)
        except (OSError, ValueError):
            self._stored = None
        if not fits(self._stored, TABLE):
            raise self._damaged()
        for name, value in self.about.items():
            if self._stored["about"].get(name) != value:
                raise UserError(
                    f"'{self.path}' must hold what the run's teachers say of "
                    f"its images, received that of other {name}: remove it "
                    "and its .json, and it is computed again."
                )
        size = int(np.prod(self.shape)) * TYPE.itemsize
        if not self.path.is_file() or self.path.stat().st_size != size:
            raise self._damaged()

    def _check_rows(self):
        self.rows = min(max(self._stored["rows"], 0), self.shape[0])
        self._digest.update(self._array[: self.rows].tobytes())
        if self._digest.hexdigest() != self._stored["sha256"]:
            raise self._damaged()

    def _damaged(self):
        return UserError(
            f"'{self.path}' must be as a run wrote it, but it or its .json is "
            "damaged: remove both, and it is computed again."
        )


def store_outputs(run):
    """Computes what teachers say once, where a run's settings want it so.

    From then on its batches bring it.

    Args:
        run: The `Run`, whose folder is there.

    Returns:
        The validation's batches, with what teachers say, or None.

    Raises:
        UserError: If the folder holds that of other images or teachers.
    """
    if not run.distiller.said_is_stored:
        return None
    views, count = run.config.teacher_views, len(run.dataset.train)
    validation = run.dataset.validation
    shape = stored_shape(run.distiller, views * count + len(validation))
    about = _about(run, shape[2])
    outputs = TeacherOutputs(run.folder.teacher_outputs, about, shape)
    if outputs.missing:
        megabytes = np.prod(shape) * TYPE.itemsize / 1e6
        run.say(
            f"what teachers say of {shape[0]:,} images is computed once: "
            f"{megabytes:,.1f} MB in {outputs.path}"
        )
        _fill(outputs, run)
    first = views * count
    run.batches.said = lambda view, rows: outputs.take(view * count + rows)
    return EvaluationBatches(
        validation,
        run.config.batch_size,
        said=lambda rows: outputs.take(first + rows),
    )


def stored_shape(distiller, rows):
    """Returns the shape of what a cohort's teachers say of so many images."""
    views = distiller.views
    changed = views.augmentation is not None and views.each_has_own
    seen = len(views.names) if changed else 1
    classes, teachers = distiller.method.num_classes, len(distiller.teachers)
    return rows, classes, seen, teachers


def _fill(outputs, run):
    """Computes the rows that are missing, from the first one on."""
    saved = time.monotonic()
    count, batches = len(run.dataset.train), run.batches
    whole = outputs.shape[0]
    see = compiled(lambda x: run.distiller.views.take(x, True))
    resident = batches.resident
    run.distiller.views.resident = resident

    def of_training(view, rows):
        x = batches.view(view, rows)
        if resident is not None:
            x |= resident.fields()
        seen = see(keras.tree.map_structure(keras.ops.convert_to_tensor, x))
        return list(seen.values())[: outputs.shape[2]]

    def of_validation(_, rows):
        images = run.dataset.validation.images[rows]
        return [keras.ops.convert_to_tensor(images)]

    views = run.config.teacher_views
    parts = [(of_training, view, count) for view in range(views)]
    parts.append((of_validation, 0, len(run.dataset.validation)))
    before = 0
    for look, view, length in parts:
        size = even_batch_size(length, batches.batch_size)
        start = max(0, outputs.rows - before)
        while start < length:
            rows = np.arange(start, min(start + size, length))
            outputs.append(_said(run.distiller, look(view, rows), outputs))
            start += len(rows)
            if time.monotonic() - saved > SAVE_SECONDS:
                outputs.save()
                run.say(f"teachers: {outputs.rows:,} of {whole:,} images")
                saved = time.monotonic()
        before += length
    outputs.save()


def _said(distiller, seen, outputs):
    """Returns what teachers say of the views of a batch, `(b, C, V, t)`."""
    of_views = [
        np.stack([teacher.said(images) for teacher in distiller.teachers], -1)
        for images in seen
    ]
    # Evaluation has one view, which stands for all.
    of_views += of_views[:1] * (outputs.shape[2] - len(of_views))
    return np.stack(of_views, axis=2)


def _about(run, seen):
    """Returns what tells the rows of a run from those of others."""
    labels = hashlib.sha256()
    for part in (run.dataset.train, run.dataset.validation):
        labels.update(np.ascontiguousarray(part.labels).tobytes())
    config = run.config
    return {
        "teachers": [teacher.about for teacher in run.distiller.teachers],
        "images": [run.dataset.about["content"], labels.hexdigest()],
        "views": {
            **{name: getattr(config, name) for name in fields_of(Augmentation)},
            **{"count": config.teacher_views, "seen": seen},
            **{"seed": config.seed, "size": list(run.dataset.image_shape)},
        },
    }
