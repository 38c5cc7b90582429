"""Stanford Cars: photographs of 196 models of cars."""

from keras_css.data.catalogue.entry import PHOTOGRAPHS
from keras_css.data.catalogue.entry import Entry
from keras_css.data.catalogue.fine_grained import RECIPE

ENTRY = Entry(
    title="Stanford Cars",
    classes=196,
    images={"train": 8_144, "test": 8_041},
    statistics=PHOTOGRAPHS,
    source="https://ai.stanford.edu/~jkrause/cars/car_dataset.html (dead)",
    licence="non-commercial research, as ImageNet",
    citation=(
        "J. Krause, M. Stark, J. Deng and L. Fei-Fei, 3D Object "
        "Representations for Fine-Grained Categorization, 3dRR at ICCV, 2013"
    ),
    recipe=RECIPE,
    tfds="cars196",
    needs=("scipy",),
    link_is_dead=True,
    by_hand=(
        "cars_train.tgz, cars_test.tgz, car_devkit.tgz and "
        "cars_test_annos_withlabels.mat, from somebody who has them: the "
        "official link is dead",
    ),
)
