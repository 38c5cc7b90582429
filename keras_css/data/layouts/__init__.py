"""How images lie on disk. Each file knows one layout: `matches` and `read`."""

import pathlib

from keras_css.data.layouts import cifar
from keras_css.data.layouts import class_folders
from keras_css.data.layouts import csv_list
from keras_css.data.layouts import cub
from keras_css.data.layouts import npz
from keras_css.data.layouts import stanford_cars
from keras_css.data.layouts import stanford_dogs
from keras_css.data.layouts.found import Found
from keras_css.errors import UserError

# In the order of asking: class folders would match nearly anything.
LAYOUTS = {
    "npz": npz,
    "csv": csv_list,
    "cifar": cifar,
    "cub": cub,
    "stanford_dogs": stanford_dogs,
    "stanford_cars": stanford_cars,
    "class_folders": class_folders,
}


def read_layout(data_dir):
    """Finds out how a folder or file is laid out, and reads it.

    Args:
        data_dir: Path of the folder or file.

    Returns:
        A `Found`.

    Raises:
        UserError: If it is none of the known layouts, or a damaged one.
    """
    path = pathlib.Path(data_dir)
    try:
        if not path.exists():
            raise UserError(
                f"--data_dir must exist, received '{path}', which does not."
            )
        for layout in LAYOUTS.values():
            place = layout.matches(path)
            if place is not None:
                return layout.read(place)
    except OSError as error:
        raise UserError(
            f"--data_dir must be readable, received '{path}': {error.strerror}."
        ) from error
    raise UserError(
        f"--data_dir must hold images in a layout that is known, received "
        f"'{path}': use class folders (train/ val/ test/, or the classes "
        "themselves), a .csv of path,label[,split], an .npz, or the original "
        "tree of CIFAR, CUB-200-2011, Stanford Dogs or Stanford Cars."
    )


__all__ = ["LAYOUTS", "Found", "read_layout"]
