"""Names of classes that travel in `.keras` files."""

import json
import zipfile

from keras_css.errors import UserError
from keras_css_runtime.text import composed

KEY = "class_names"


def check_class_names(names, num_classes):
    """Returns names of classes as a tuple of strings.

    Args:
        names: C different names, or None.
        num_classes: C.

    Raises:
        UserError: If they are not as many, or not all different.
    """
    if names is None:
        return None
    names = [names] if isinstance(names, str) else list(names)
    names = tuple(composed(str(name)) for name in names)
    if len(names) != num_classes or len(set(names)) != num_classes:
        raise UserError(
            f"class_names must be {num_classes} different names, one a class, "
            f"received {len(names)}, {len(set(names))} of them different."
        )
    return names


def keep_class_names(student, names):
    """Lets a functional model know its classes and save them with itself.

    They go into what the model says of its building, which Keras hands to
    every model and reads no more than shapes from: the file loads wherever
    Keras is. `read_class_names` gets them back.

    Args:
        student: A functional Keras model.
        names: Its C names, or None: nothing is done.
    """
    if names is None:
        return
    build_config = student.get_build_config
    student.class_names = tuple(names)
    student.get_build_config = lambda: {
        **(build_config() or {}),
        KEY: list(names),
    }


def read_class_names(path):
    """Returns the names that the student in a `.keras` file was saved with.

    Args:
        path: A file that Keras has loaded.

    Returns:
        List of different names, or None where the file says none.
    """
    with zipfile.ZipFile(path) as archive:
        build_config = json.loads(archive.read("config.json")).get(
            "build_config"
        )
    found = build_config.get(KEY) if isinstance(build_config, dict) else None
    if not isinstance(found, list) or len(set(map(str, found))) != len(found):
        return None
    return found if all(isinstance(name, str) for name in found) else None
