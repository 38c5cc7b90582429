"""Reading what Keras saved, without running code from it."""

import json
import pathlib
import zipfile

import keras

from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.untrusted.sizes import check_expansion
from keras_css_runtime.errors import refuse_url

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# Settings that say how many weights a layer has at least.
COUNTS = {
    *("units", "filters", "input_dim", "output_dim", "num_classes"),
    *("num_branches", "depth_multiplier", "num_heads", "key_dim", "value_dim"),
    *("batch_shape", "batch_input_shape", "input_shape", "build_config"),
    *("kernel_size", "group_size", "groups", "max_tokens"),
}
# Below this no count is looked at.
ALWAYS_ALLOWED = 4096


def load_keras(path):
    """Returns the model of a `.keras` file, in safe mode, not compiled.

    Nothing but such a file is taken: Keras would fetch `hf://` names and other
    far places, and read older formats that know no safe mode.

    Raises:
        UserError: If the file is missing or damaged, or asks for code.
    """
    place = pathlib.Path(path)
    if not place.exists():
        refuse_url(path, "a model saved by Keras")
        raise UserError(
            f"'{path}' must be a model saved by Keras, but is missing."
        )
    if place.suffix != ".keras" or not place.is_file():
        raise UserError(
            f"'{path}' must be a model saved by Keras, a file that ends in "
            ".keras: save it anew with model.save()."
        )
    try:
        _check_sizes(place)
        return keras.saving.load_model(place, compile=False, safe_mode=True)
    except UserError:
        raise
    # Keras, its backends, zipfile and h5py raise nearly anything for files
    # that are not what they seem.
    except Exception as error:
        raise UserError(
            f"'{path}' must be a model saved by Keras, but is damaged or of "
            f"another kind: {first_line(error)}"
        ) from error


def _check_sizes(path):
    """Raises ValueError if a file declares more than it holds.

    A layer is allocated before its weights are read, and each unit or filter
    has a weight at least.
    """
    with zipfile.ZipFile(path) as archive:
        members = {m.filename: m.file_size for m in archive.infolist()}
        check_expansion(path, sum(members.values()))
        config = json.loads(archive.read(CONFIG))
    most = max(ALWAYS_ALLOWED, members.get(WEIGHTS, 0))
    largest = _largest_count(config, counted=False)
    if largest > most:
        raise ValueError(
            f"a layer declares a size of {largest}, and the file's weights of "
            f"{members.get(WEIGHTS, 0):,} bytes allow {most:,} at most"
        )


def _largest_count(value, counted):
    """Returns the largest number among the counts of a configuration."""
    if isinstance(value, dict):
        return max(
            (
                _largest_count(v, counted or k in COUNTS)
                for k, v in value.items()
            ),
            default=0,
        )
    if isinstance(value, list):
        return max((_largest_count(v, counted) for v in value), default=0)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if counted and number else 0
