"""The named data sets: one file each, one line here."""

from keras_css.data.catalogue import cifar10
from keras_css.data.catalogue import cifar100
from keras_css.data.catalogue import cub200
from keras_css.data.catalogue import digits
from keras_css.data.catalogue import own
from keras_css.data.catalogue import stanford_cars
from keras_css.data.catalogue import stanford_dogs
from keras_css.data.catalogue.entry import Entry
from keras_css.registry import Registry

TFDS_PREFIX = "tfds:"

DATASETS = Registry(
    "dataset",
    {
        "digits": digits.ENTRY,
        "cifar10": cifar10.ENTRY,
        "cifar100": cifar100.ENTRY,
        "cub200": cub200.ENTRY,
        "stanford_dogs": stanford_dogs.ENTRY,
        "stanford_cars": stanford_cars.ENTRY,
        "folder": own.FOLDER,
        "npz": own.NPZ,
        "csv": own.CSV,
    },
)


def get_entry(name):
    """Returns the `Entry` of a name, also of `tfds:<name>`.

    Raises:
        UserError: If the name is unknown.
    """
    if name.startswith(TFDS_PREFIX) and name != TFDS_PREFIX:
        return Entry(
            title=f"{name.removeprefix(TFDS_PREFIX)} of tensorflow-datasets",
            tfds=name.removeprefix(TFDS_PREFIX),
        )
    return DATASETS.get(name)


__all__ = ["DATASETS", "TFDS_PREFIX", "Entry", "get_entry"]
