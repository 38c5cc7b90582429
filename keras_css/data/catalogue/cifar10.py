"""CIFAR-10: 60,000 images of 32x32 pixels, 10 classes."""

from keras_css.data.catalogue.entry import Entry

ENTRY = Entry(
    title="CIFAR-10",
    classes=10,
    images={"train": 50_000, "test": 10_000},
    statistics=((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="none stated; cite the report",
    citation=(
        "A. Krizhevsky, Learning Multiple Layers of Features from Tiny "
        "Images, 2009"
    ),
    tfds="cifar10",
    by_hand=("cifar-10-python.tar.gz from https://www.cs.toronto.edu/~kriz/",),
)
