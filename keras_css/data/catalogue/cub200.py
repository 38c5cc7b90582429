"""Caltech-UCSD Birds-200-2011: photographs of 200 species of birds."""

from keras_css.data.catalogue.entry import PHOTOGRAPHS
from keras_css.data.catalogue.entry import Entry
from keras_css.data.catalogue.fine_grained import RECIPE

ENTRY = Entry(
    title="Caltech-UCSD Birds-200-2011",
    classes=200,
    images={"train": 5_994, "test": 5_794},
    statistics=PHOTOGRAPHS,
    source="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    licence=(
        "non-commercial research and education; the photographs belong to "
        "their photographers"
    ),
    citation=(
        "C. Wah, S. Branson, P. Welinder, P. Perona and S. Belongie, The "
        "Caltech-UCSD Birds-200-2011 Dataset, CNS-TR-2011-001, 2011"
    ),
    recipe=RECIPE,
    tfds="caltech_birds2011",
    needs=("cv2",),
    by_hand=(
        "CUB_200_2011.tgz from https://data.caltech.edu/records/65de6-vp158",
    ),
)
