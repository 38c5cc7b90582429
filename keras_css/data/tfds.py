"""tensorflow-datasets: a prepared copy, or preparing one."""

import contextlib
import importlib.util
import os
import pathlib
import re

import numpy as np

from keras_css.data.dataset import Split
from keras_css.data.layouts.found import Found
from keras_css.data.pictures import Pictures
from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css_runtime.pictures import open_picture
from keras_css_runtime.shapes import read_object

FEATURES = "features.json"
LIBRARY = "tensorflow_datasets."
TYPE_KEYS = {"type", "pythonClassName", "python_class_name"}


def default_dir():
    """Returns the folder where tensorflow-datasets keeps its copies."""
    return pathlib.Path(
        os.environ.get("TFDS_DATA_DIR")
        or pathlib.Path("~/tensorflow_datasets").expanduser()
    )


def prepared_copy(name, data_dir=None):
    """Returns the folder of the newest prepared copy of a set, or None.

    Only looks at the disk: no network, and nothing is imported.

    Args:
        name: Name of the set, with `/config` where it has one.
        data_dir: Where copies are; default the library's own place.
    """
    place = pathlib.Path(data_dir or default_dir(), *name.split("/"))
    found = _versions(place)
    if not found and place.is_dir():
        # A set of several configurations, of which one is here.
        configs = [_versions(config) for config in place.iterdir()]
        configs = [versions for versions in configs if versions]
        found = configs[0] if len(configs) == 1 else []
    return max(found, key=_number, default=None)


def _number(folder):
    return [int(part) for part in folder.name.split(".")]


def _versions(place):
    """Returns the folders of complete versions, such as 1.0.2."""
    return [
        info.parent
        for info in place.glob("*/dataset_info.json")
        if re.fullmatch(r"\d+(\.\d+)+", info.parent.name)
    ]


def prepare(name, data_dir=None):
    """Downloads and prepares a set as tensorflow-datasets does.

    Returns:
        The folder of the prepared copy.

    Raises:
        UserError: If that fails, for example without a network.
    """
    tfds = _library()
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        builder.download_and_prepare()
        return pathlib.Path(builder.data_dir)
    # Every failure of a download or of another package ends here.
    except Exception as error:
        raise UserError(first_line(error)) from error


def read(folder):
    """Reads a prepared copy; encoded pictures stay encoded, in memory.

    Args:
        folder: Of the copy, with its `dataset_info.json`.

    Raises:
        UserError: If it is no prepared set of images and classes.
    """
    tfds = _library()
    try:
        _refuse_foreign_features(pathlib.Path(folder) / FEATURES)
        builder = tfds.builder_from_directory(folder)
        image, label = builder.info.supervised_keys[:2]
        features = builder.info.features
        names = tuple(features[label].names)
        splits = {
            part: _split(tfds, builder, official, image, label)
            for part, official in _parts(builder.info.splits).items()
        }
    # The library and TensorFlow raise nearly anything for damaged files.
    except Exception as error:
        raise UserError(
            f"'{folder}' must be a set of images and classes as prepared by "
            f"tensorflow-datasets: {first_line(error)}"
        ) from error
    return Found(f"tensorflow-datasets in {folder}", names, splits)


def _refuse_foreign_features(path):
    """Raises ValueError if a copy names classes that are not the library's.

    The library imports the module of any class that is named there.
    """
    if not path.exists():
        return
    values = [read_object(path)]
    while values:
        value = values.pop()
        if isinstance(value, list):
            values += value
        if not isinstance(value, dict):
            continue
        values += value.values()
        for key in TYPE_KEYS & set(value):
            named = value[key]
            foreign = isinstance(named, str) and "." in named
            if foreign and not named.startswith(LIBRARY):
                raise ValueError(
                    f"{path.name} names {named}, which is none of its features"
                )


def _parts(official):
    """Returns which official split is which part."""
    if "train" not in official:
        raise ValueError(f"no split train among {', '.join(official)}")
    parts = {"train": "train"}
    if "test" in official:
        parts["test"] = "test"
        if "validation" in official:
            parts["validation"] = "validation"
    elif "validation" in official:
        # The labels of the test part are often kept back.
        parts["test"] = "validation"
    return parts


def _split(tfds, builder, official, image, label):
    examples = builder.as_dataset(
        split=official,
        shuffle_files=False,
        decoders={image: tfds.decode.SkipDecoding()},
    )
    sources, labels, boxes = [], [], []
    for example in tfds.as_numpy(examples):
        sources.append(bytes(example[image]))
        labels.append(int(example[label]))
        boxes.append(_box(example))
    if not sources or min(labels) < 0:
        raise ValueError(
            f"split {official} has no labels; give the set as class folders"
        )
    return Split(
        Pictures(
            sources,
            boxes=None if None in boxes else _in_pixels(sources, boxes),
        ),
        np.array(labels, "int32"),
    )


def _box(example):
    """Returns a picture's box, or that of the first thing on it, or None."""
    if "bbox" in example and len(example["bbox"]) == 4:
        return tuple(example["bbox"])
    things = example.get("objects")
    if isinstance(things, dict) and len(things.get("bbox", ())):
        return tuple(things["bbox"][0])
    return None


def _in_pixels(sources, boxes):
    """Returns boxes in pixels, of `(ymin, xmin, ymax, xmax)` in [0, 1]."""
    sizes = np.array([open_picture(s).size for s in sources])
    across, down = sizes[:, :1], sizes[:, 1:]
    boxes = np.clip(np.array(boxes, "float64"), 0, 1)
    return np.concatenate(
        [
            *(boxes[:, 1:2] * across, boxes[:, 0:1] * down),
            *(boxes[:, 3:4] * across, boxes[:, 2:3] * down),
        ],
        axis=1,
    )


def _library():
    if not importlib.util.find_spec("tensorflow_datasets"):
        raise UserError(
            "tensorflow-datasets must be installed to read its copies: pip "
            "install tensorflow-datasets tensorflow."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf
    import tensorflow_datasets as tfds

    # Only its files are read with TensorFlow: a GPU belongs to the backend.
    if _backend() != "tensorflow":
        with contextlib.suppress(RuntimeError):
            tf.config.set_visible_devices([], "GPU")
    return tfds


def _backend():
    import keras

    return keras.backend.backend()
