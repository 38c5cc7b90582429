"""A Keras model of the user's own, in a file, as a backbone."""

from keras_css.backbones.split_model import split_model
from keras_css.untrusted.keras_files import load_keras


def model_file(path, at=None):
    """Returns the functional model of a `.keras` file as a backbone.

    Args:
        path: The file. It is loaded in safe mode.
        at: Layer at which it is split; default as of `split_model`.

    Returns:
        A `SplitModel`; every branch starts with the file's weights.

    Raises:
        UserError: If the file is missing or damaged, or the model cannot be
            split there.
    """
    return split_model(load_keras(path), at)
