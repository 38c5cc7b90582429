"""Pictures of any kind and size to arrays of the size a student takes."""

import io
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL import ImageOps

from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import first_line
from keras_css_runtime.errors import refuse_url

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
# Too many pixels are refused below, with the file's name; damaged EXIF and the
# like leave a picture as it is.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.(Tiff|Png|Jpeg)ImagePlugin")
# Others would let a file called .jpg start programs such as Ghostscript.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
MODES = {1: "L", 3: "RGB"}
# More are taken for a decompression bomb: decoded in colour, 150 MB.
MOST_PIXELS = 50_000_000

# The path of a picture, the bytes of its file, or its pixels.
Picture = str | Path | bytes | Image.Image | np.ndarray
Size = tuple[int, int]
# Left, top, right, bottom.
Box = Sequence[float]


def find_pictures(path: str | os.PathLike[str]) -> list[Path]:
    """Returns the picture files of a folder, sorted; or the file itself.

    Raises:
        UserError: If there is no such file, or no picture in the folder.
    """
    refuse_url(path, "a picture or a folder")
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


def open_picture(picture: str | Path | bytes) -> Image.Image:
    """Opens a path, or the bytes of a file; only its header is read."""
    source = io.BytesIO(picture) if isinstance(picture, bytes) else picture
    return Image.open(source, formats=FORMATS)


def to_array(
    picture: Picture,
    shape: tuple[int, int, int],
    crop_fraction: float = 1.0,
    box: Box | None = None,
    margin: float = 0.0,
) -> np.ndarray:
    """Returns one picture as a uint8 array of the shape a network takes.

    A picture of another size is scaled (bilinear, antialiased) until it covers
    the target and cut around its centre; one of the right size is unchanged.
    EXIF rotation is carried out, transparency is laid on white, 16 bits a
    channel become 8, palettes and CMYK become RGB, colour becomes grey where
    one channel is wanted.

    Args:
        picture: A path, the bytes of a file, a PIL image, or a uint8 array
            `(h, w)` or `(h, w, c)`.
        shape: `(H, W, channels)`.
        crop_fraction: Part of height and of width that is kept, around the
            centre, before scaling.
        box: `(left, top, right, bottom)` in pixels of the picture as stored,
            to cut out first; None for the whole.
        margin: Part of the box's sides that is added to each side of it, as
            far as the picture goes.

    Raises:
        UserError: If it is no picture, or the box lies outside of it.
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
    # JPEG can be decoded at 1/2, 1/4 or 1/8; twice the target keeps detail.
    wanted = (
        round(2 * width / crop_fraction),
        round(2 * height / crop_fraction),
    )
    image = _to_image(picture, wanted, box, margin)
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bit(image, picture)
    # Transparency is laid on white when the picture is small: less memory.
    mode = "RGBA" if image.has_transparency_data else MODES[channels]
    try:
        image = image if image.mode == mode else image.convert(mode)
    except ValueError as error:
        raise UserError(
            f"{_name(picture)} must be grey or in colour, received mode "
            f"{image.mode}: convert it."
        ) from error
    if image.size != (width, height) or crop_fraction != 1:
        image = ImageOps.fit(
            image,
            (width, height),
            Image.Resampling.BILINEAR,
            bleed=(1 - crop_fraction) / 2,
        )
    if mode == "RGBA":
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image).convert(MODES[channels])
    return np.asarray(image, "uint8").reshape(shape)


def _to_image(
    picture: Picture, wanted: Size, box: Box | None, margin: float
) -> Image.Image:
    if isinstance(picture, (str, Path, bytes)):
        return _read(picture, wanted, box, margin)
    if not isinstance(picture, Image.Image):
        picture = _from_array(np.asarray(picture))
    return ImageOps.exif_transpose(
        _cut(picture, box, margin, picture.size, "a picture")
    )


def _from_array(array: np.ndarray) -> Image.Image:
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


def _read(
    picture: str | Path | bytes, wanted: Size, box: Box | None, margin: float
) -> Image.Image:
    """Returns the picture of a file or of its bytes, `box` of it if given."""
    name = _name(picture)
    try:
        with open_picture(picture) as file:
            size = file.size
            if size[0] * size[1] > MOST_PIXELS:
                raise ValueError(
                    f"{size[0]}x{size[1]} pixels are more than "
                    f"{MOST_PIXELS:,}, scale it down"
                )
            if box is not None:
                cut = (box[2] - box[0], box[3] - box[1])
                wanted = (
                    round(wanted[0] * size[0] / max(cut[0], 1)),
                    round(wanted[1] * size[1] / max(cut[1], 1)),
                )
            if size[0] > wanted[0] and size[1] > wanted[1]:
                file.draft(None, wanted)
            file.load()
            image = _cut(file, box, margin, size, name)
            if image is not file:
                # A turned copy would be the third in memory.
                file.close()
            # Looking for what turns a picture takes as long as decoding a
            # small one.
            if file.format == "JPEG" and "exif" not in file.info:
                return image
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        refuse_url(picture, "a picture")
        raise UserError(
            f"{name} must be a picture, but there is none."
        ) from None
    except UserError:
        raise
    # Pillow raises nearly anything for files that are not what they seem.
    except Exception as error:
        raise UserError(
            f"{name} must be a picture that can be read: {first_line(error)}"
        ) from error


def _cut(
    image: Image.Image, box: Box | None, margin: float, size: Size, name: str
) -> Image.Image:
    """Returns the box of an image whose stored size was `size`."""
    if box is None:
        return image
    left, top, right, bottom = box
    if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
        raise UserError(
            f"The box of {name} must lie in its {size[0]}x{size[1]} pixels, "
            f"received {tuple(round(float(side)) for side in box)}: was the "
            "picture scaled down?"
        )
    more = (margin * (right - left), margin * (bottom - top))
    across, down = image.width / size[0], image.height / size[1]
    sides = (
        max(left - more[0], 0) * across,
        max(top - more[1], 0) * down,
        min(right + more[0], size[0]) * across,
        min(bottom + more[1], size[1]) * down,
    )
    # Whole pixels that cover the box, up to rounding of its numbers.
    return image.crop(
        (
            math.floor(sides[0] + 1e-3),
            math.floor(sides[1] + 1e-3),
            math.ceil(sides[2] - 1e-3),
            math.ceil(sides[3] - 1e-3),
        )
    )


def _to_8_bit(image: Image.Image, picture: Picture) -> Image.Image:
    """Scales 16-bit grey to 8 bits by the full range of 16 bits."""
    if image.mode == "F":
        raise UserError(
            f"{_name(picture)} must have 8 or 16 bits a channel, received "
            "floating-point numbers: convert it."
        )
    array = np.clip(np.asarray(image), 0, 65535).astype("uint16")
    return Image.fromarray((array // 257).astype("uint8"))


def _name(picture: object) -> str:
    return f"'{picture}'" if isinstance(picture, (str, Path)) else "A picture"


def _describe(array: npt.ArrayLike) -> str:
    array = np.asarray(array)
    return f"{array.dtype} of shape {array.shape}"
