"""CIFAR-100: 60,000 images of 32x32 pixels, 100 classes."""

from keras_css.data.catalogue.entry import Entry

ENTRY = Entry(
    title="CIFAR-100",
    classes=100,
    images={"train": 50_000, "test": 10_000},
    statistics=((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="none stated; cite the report",
    citation=(
        "A. Krizhevsky, Learning Multiple Layers of Features from Tiny "
        "Images, 2009"
    ),
    tfds="cifar100",
    by_hand=("cifar-100-python.tar.gz from https://www.cs.toronto.edu/~kriz/",),
)
