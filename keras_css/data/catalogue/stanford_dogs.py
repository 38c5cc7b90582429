"""Stanford Dogs: photographs of 120 breeds, from ImageNet."""

from keras_css.data.catalogue.entry import PHOTOGRAPHS
from keras_css.data.catalogue.entry import Entry
from keras_css.data.catalogue.fine_grained import RECIPE

ENTRY = Entry(
    title="Stanford Dogs",
    classes=120,
    images={"train": 12_000, "test": 8_580},
    statistics=PHOTOGRAPHS,
    source="http://vision.stanford.edu/aditya86/ImageNetDogs/",
    licence="as ImageNet: non-commercial research and education",
    citation=(
        "A. Khosla, N. Jayadevaprakash, B. Yao and L. Fei-Fei, Novel Dataset "
        "for Fine-Grained Image Categorization, FGVC at CVPR, 2011"
    ),
    recipe=RECIPE,
    tfds="stanford_dogs",
    needs=("scipy",),
    by_hand=(
        "images.tar, lists.tar and, for the boxes, annotation.tar from "
        "http://vision.stanford.edu/aditya86/ImageNetDogs/",
    ),
)
