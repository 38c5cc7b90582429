"""A picture of training images as networks see them."""

import numpy as np
from keras import ops
from PIL import Image

ROWS = 8
COLUMNS = 8
GAP = 2
# Small images are shown larger, up to this height of the sheet's.
SIDE = 64


def draw_sheet(path, images, change, num_draws, seed=0):
    """Writes a PNG: a row an image, first as it is, then as augmented.

    Args:
        path: Of the file.
        images: uint8 array `(N, H, W, c)` of training images, c 1 or 3.
        change: Function from images and draws to what a network sees.
        num_draws: Uniform numbers that an image takes; 0 if nothing changes.
        seed: Of the random changes.
    """
    rng = np.random.default_rng(seed)
    columns = [images]
    for _ in range(COLUMNS - 1):
        if not num_draws:
            break
        draws = rng.random((len(images), num_draws), "float32")
        columns.append(ops.convert_to_numpy(change(images, draws)))
    tiles = [[_tile(image) for image in column] for column in columns]
    height, width = (
        max(tile.shape[axis] for column in tiles for tile in column) + GAP
        for axis in (0, 1)
    )
    sheet = np.full((len(images) * height, len(columns) * width, 3), 255, "u1")
    for x, column in enumerate(tiles):
        for y, tile in enumerate(column):
            top, left = y * height, x * width
            sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    Image.fromarray(sheet).save(path, format="PNG")


def _tile(image):
    """Returns one image in colour, large enough to be looked at."""
    image = np.clip(np.round(image), 0, 255).astype("uint8")
    image = np.broadcast_to(image, (*image.shape[:2], 3))
    times = max(1, SIDE // max(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1)
