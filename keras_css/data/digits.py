"""scikit-learn's digits: 1,797 scanned 8x8 digits that come with the library.

The test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, 1998, UCI, CC BY 4.0). The library names no split: a fifth of each
class is our test part, the same for every seed of a run.
"""

import numpy as np

from keras_css.data.dataset import Dataset
from keras_css.data.dataset import Recipe
from keras_css.data.dataset import Split
from keras_css.data.dataset import split_off_validation
from keras_css.errors import UserError

TEST_FRACTION = 0.2
TEST_SEED = 2203


def load(data_dir=None):
    """Returns the digits as a `Dataset`.

    Raises:
        UserError: If a `data_dir` is given: it would not be looked at.
    """
    if data_dir:
        raise UserError(
            "The digits come with scikit-learn and need no --data_dir, "
            f"received '{data_dir}': did you mean --dataset npz?"
        )
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.round(found.images * (255 / 16)).astype("uint8")[..., None]
    whole = Split(images, found.target.astype("int32"))
    train, test = split_off_validation(whole, TEST_FRACTION, TEST_SEED)
    return Dataset(
        class_names=tuple(str(digit) for digit in range(10)),
        train=train,
        test=test,
        recipe=Recipe(
            network_a="resnet14",
            network_b="resnet8",
            epochs=30,
            batch_size=64,
            learning_rate=0.05,
            crop_padding=1,
            horizontal_flip=False,
        ),
    )
