"""The flag for code of the user's own that commands run first."""

import importlib.util
import pathlib
import sys

from absl import flags

from keras_css_runtime.errors import UserError

FLAGS = flags.FLAGS

flags.DEFINE_multi_string(
    "extension",
    [],
    "Python file of your own that is run first: it may add methods, backbones, "
    "transformations and data sets to their registries. May be given several "
    "times; needed again by each command on such a run.",
)


def run_extensions():
    """Runs the files, once Keras' backend is decided.

    Raises:
        UserError: If one is no Python file.
    """
    for text in FLAGS.extension:
        path = pathlib.Path(text).resolve()
        if path.suffix != ".py" or not path.is_file():
            raise UserError(
                f"--extension must be a Python file, received '{text}'."
            )
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, module)
        spec.loader.exec_module(module)


def extension_arguments():
    """Returns the flags that make another command run the same files."""
    return [
        f"--extension={pathlib.Path(text).resolve()}"
        for text in FLAGS.extension
    ]
