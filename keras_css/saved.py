"""Reading what Keras saved, without running code from it."""

import pathlib
import zipfile

import keras

from keras_css.errors import UserError

# What Keras, zipfile and h5py raise for files that are not what they seem.
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(zipfile.BadZipFile, RuntimeError, EOFError),
)


def load_keras(path):
    """Returns the model of a `.keras` file, in safe mode, not compiled.

    Raises:
        UserError: If the file is missing or damaged.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except UNREADABLE as error:
        exists = pathlib.Path(path).exists()
        state = "damaged or of another kind" if exists else "missing"
        raise UserError(
            f"'{path}' must be a model saved by Keras, but is {state}."
        ) from error
