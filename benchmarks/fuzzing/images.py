"""Hostile pictures: damaged, and with headers that declare enormous ones."""

import functools
import io
import struct
import zlib

import numpy as np
from PIL import Image

from fuzzing.mutations import spoil_bytes
from fuzzing.reader import Reader
from keras_css_runtime.pictures import to_array

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "GIF": ("L", "P"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "RGB", "RGBA", "CMYK", "LAB", "I;16", "F"),
}
SHAPES = ((8, 8, 3), (8, 8, 1), (32, 24, 3), (1, 1, 3), (4, 4, 5))
SIDES = (0, 1, 7000, 7071, 7072, 20_000, 65_535, 2**24, 2**31 - 1, 2**32 - 1)
ENDINGS = {"JPEG": ".jpg", "TIFF": ".tif"}


@functools.cache
def seeds():
    """Returns `(format, bytes)` of a small picture of each format and mode."""
    found = []
    for kind in FORMATS:
        for mode in MODES[kind]:
            for size in ((9, 7), (1, 1), (40, 30)):
                found.append((kind, _encode(kind, mode, size)))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "text"
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        found.append((kind, _encode(kind, "RGB", (9, 7), exif=exif)))
    for kind in ("GIF", "TIFF", "WEBP"):
        frames = [Image.new("RGB", (9, 7), color) for color in ("red", "blue")]
        found.append(
            (kind, _encode(kind, "RGB", (9, 7), save_all=True, frames=frames))
        )
    for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "group4"):
        mode = "1" if kind == "group4" else "RGB"
        found.append(("TIFF", _encode("TIFF", mode, (9, 7), compression=kind)))
    return found


@functools.cache
def large():
    """Returns pictures of nearly the most pixels: small files that are whole.

    They may be read: what counts is the memory.
    """
    found = []
    for mode in ("L", "RGB", "RGBA", "I;16", "P", "LA", "1"):
        found.append(("PNG", _plain("PNG", mode)))
    found += [("GIF", _plain("GIF", "L")), ("JPEG", _plain("JPEG", "RGB"))]
    exif = Image.Exif()
    exif[0x0112] = 6
    found.append(("PNG", _plain("PNG", "RGB", exif=exif)))
    found.append(("TIFF", _plain("TIFF", "RGBA", compression="tiff_lzw")))
    found.append(("TIFF", _plain("TIFF", "CMYK", compression="tiff_lzw")))
    return found


def _plain(kind, mode, **options):
    file = io.BytesIO()
    Image.new(mode, (7000, 7000)).save(file, kind, **options)
    return file.getvalue()


def _encode(kind, mode, size, frames=(), **options):
    width, height = size
    pixels = np.random.default_rng(width).integers(
        0, 256, (height, width, 3), "uint8"
    )
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype("uint16") * 200)
    elif mode == "LAB":
        image = Image.new("LAB", size)
    else:
        image = image.convert(mode)
    if frames:
        options["append_images"] = frames
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def spoil_picture(rng, kind, data):
    """Returns bytes of a picture, damaged or with another size declared."""
    if rng.random() < 0.5:
        return spoil_bytes(rng, data)
    width, height = rng.choice(SIDES), rng.choice(SIDES)
    data = bytearray(data)
    if kind == "PNG":
        data[16:24] = struct.pack(">II", width, height)
        if rng.random() < 0.3:
            data[24:26] = bytes((rng.choice((1, 8, 16)), rng.randrange(8)))
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif kind == "BMP":
        data[18:26] = struct.pack("<II", width, height)
    elif kind == "GIF":
        data[6:10] = struct.pack("<HH", width % 2**16, height % 2**16)
        if rng.random() < 0.5 and (at := data.find(b"\x2c", 13)) > 0:
            data[at + 5 : at + 9] = data[6:10]
    elif kind == "JPEG":
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            if (at := data.find(marker)) > 0:
                data[at + 5 : at + 9] = struct.pack(
                    ">HH", height % 2**16, width % 2**16
                )
    elif kind == "TIFF":
        _spoil_tags(rng, data)
    elif kind == "WEBP" and len(data) > 30:
        data[24:30] = rng.randbytes(6)
    return spoil_bytes(rng, data) if rng.random() < 0.3 else bytes(data)


def _spoil_tags(rng, data):
    """Gives some tags of a little-endian TIFF another number or count."""
    (at,) = struct.unpack("<I", data[4:8])
    if at + 2 > len(data):
        return
    (count,) = struct.unpack("<H", data[at : at + 2])
    for _ in range(rng.choice((1, 1, 2, 4))):
        entry = at + 2 + 12 * rng.randrange(max(1, count))
        if entry + 12 > len(data):
            continue
        tag = struct.unpack("<H", data[entry : entry + 2])[0]
        value = rng.choice(SIDES)
        data[entry + 2 : entry + 4] = struct.pack("<H", rng.randrange(1, 14))
        where = 8 if tag in (256, 257) or rng.random() < 0.7 else 4
        data[entry + where : entry + where + 4] = struct.pack("<I", value)


def hostile_picture(rng, large_ones=True):
    """Returns `(bytes, ending)` of a picture that is not what it seems."""
    if large_ones and rng.random() < 0.003:
        kind, data = rng.choice(large())
    else:
        kind, data = rng.choice(seeds())
        data = spoil_picture(rng, kind, data)
    if rng.random() < 0.02:
        _, other = rng.choice(seeds())
        data = data[: rng.randrange(len(data) + 1)] + other
    return data, ENDINGS.get(kind, f".{kind.lower()}")


def _make(rng, folder):
    data, ending = hostile_picture(rng)
    (folder / f"picture{ending}").write_bytes(data)
    box = rng.choice(("none", "none", "0 0 5 5", "-1 2 1e9 nan", "0 0 1 1"))
    fraction = rng.choice((1.0, 0.875, 0.1))
    shape = rng.choice(SHAPES)
    (folder / "how").write_text(
        f"{rng.choice(('path', 'bytes'))}|{box}|{fraction}|"
        f"{' '.join(map(str, shape))}"
    )


def _read(folder):
    how, box, fraction, shape = (folder / "how").read_text().split("|")
    (path,) = folder.glob("picture.*")
    to_array(
        path if how == "path" else path.read_bytes(),
        tuple(map(int, shape.split())),
        float(fraction),
        None if box == "none" else tuple(map(float, box.split())),
        margin=0.1,
    )


READERS = [Reader("pictures", _make, _read)]
