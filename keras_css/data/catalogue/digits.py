"""scikit-learn's digits: 1,797 scanned 8x8 digits that come with the library.

The library names no split: a fifth of each class is our test part, the same
for every seed of a run.
"""

import numpy as np

from keras_css.data.catalogue.entry import Entry
from keras_css.data.dataset import Recipe
from keras_css.data.dataset import Split
from keras_css.data.layouts.found import Found


def read():
    """Returns the digits as a `Found` without a test part."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.round(found.images * (255 / 16)).astype("uint8")[..., None]
    return Found(
        "scikit-learn",
        tuple(str(digit) for digit in range(10)),
        {"train": Split(images, found.target.astype("int32"))},
    )


ENTRY = Entry(
    title="Optical Recognition of Handwritten Digits, the test part",
    classes=10,
    images={"train": 1797},
    source="https://archive.ics.uci.edu/dataset/80, with scikit-learn",
    licence="CC BY 4.0",
    citation="E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository",
    recipe=Recipe(
        network_a="resnet14",
        network_b="resnet8",
        epochs=30,
        batch_size=64,
        learning_rate=0.05,
        crop_padding=1,
        horizontal_flip=False,
    ),
    read=read,
)
