"""Pictures of any kind and size to arrays of the size a student takes."""

from pathlib import Path

import numpy as np
from PIL import Image
from PIL import ImageOps

from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import first_line

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MODES = {1: "L", 3: "RGB"}


def find_pictures(path):
    """Returns the picture files of a folder, sorted; or the file itself.

    Raises:
        UserError: If there is no such file, or no picture in the folder.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.is_file():
            raise UserError(f"'{path}' must be a picture, but there is none.")
        return [path]
    found = sorted(
        p
        for p in path.rglob("*")
        if p.suffix.lower() in ENDINGS and p.is_file()
    )
    if not found:
        raise UserError(
            f"'{path}' must hold pictures, but has no file that ends in "
            f"{', '.join(ENDINGS)}."
        )
    return found


def to_array(picture, shape):
    """Returns one picture as a uint8 array of the shape a student takes.

    A picture of another size is scaled (bilinear, antialiased) until it covers
    the target and cut around its centre; one of the right size is unchanged.

    Args:
        picture: A path, a PIL image, or a uint8 array `(h, w)` or `(h, w, c)`.
        shape: `(H, W, channels)`.

    Raises:
        UserError: If it is no picture.
    """
    height, width, channels = shape
    if channels not in MODES:
        picture = np.asarray(picture)
        if picture.shape == tuple(shape) and picture.dtype == np.uint8:
            return picture
        raise UserError(
            f"Images of {channels} channels must be uint8 arrays of shape "
            f"{tuple(shape)}, received {_describe(picture)}."
        )
    image = _to_image(picture)
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bit(image, picture)
    try:
        image = image.convert(MODES[channels])
    except ValueError as error:
        raise UserError(
            f"{_name(picture)} must be grey or in colour, received mode "
            f"{image.mode}: convert it."
        ) from error
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, "uint8").reshape(shape)


def _to_image(picture):
    if isinstance(picture, (str, Path)):
        return _read(Path(picture))
    if isinstance(picture, Image.Image):
        return ImageOps.exif_transpose(picture)
    array = np.asarray(picture)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    grey_or_colour = array.ndim == 2 or (
        array.ndim == 3 and array.shape[-1] in (3, 4)
    )
    if array.dtype != np.uint8 or not grey_or_colour or 0 in array.shape:
        raise UserError(
            "A picture must be a path, a PIL image or a uint8 array (h, w) or "
            f"(h, w, channels) with values from 0 to 255, received "
            f"{_describe(array)}."
        )
    return Image.fromarray(array)


def _read(path):
    try:
        with Image.open(path) as file:
            file.load()
            return ImageOps.exif_transpose(file)
    except FileNotFoundError:
        raise UserError(
            f"'{path}' must be a picture, but there is none."
        ) from None
    # Pillow raises nearly anything for files that are not what they seem.
    except Exception as error:
        raise UserError(
            f"'{path}' must be a picture that can be read: {first_line(error)}"
        ) from error


def _to_8_bit(image, picture):
    """Scales 16-bit grey to 8 bits by the full range of 16 bits."""
    if image.mode == "F":
        raise UserError(
            f"{_name(picture)} must have 8 or 16 bits a channel, received "
            "floating-point numbers: convert it."
        )
    array = np.asarray(image, "float64") * (255 / 65535)
    return Image.fromarray(np.clip(array, 0, 255).astype("uint8"))


def _name(picture):
    return f"'{picture}'" if isinstance(picture, (str, Path)) else "A picture"


def _describe(array):
    array = np.asarray(array)
    return f"{array.dtype} of shape {array.shape}"
