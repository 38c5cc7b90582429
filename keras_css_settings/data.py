"""Which images, and how they are read."""

import dataclasses
from typing import Any

from keras_css_runtime.settings import ANY_COUNT
from keras_css_runtime.settings import MOST
from keras_css_runtime.settings import Choice
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import Number
from keras_css_runtime.settings import Sides
from keras_css_settings.setting import Name
from keras_css_settings.setting import Place
from keras_css_settings.setting import Settings
from keras_css_settings.setting import setting

LARGEST = 1024


class Part(Number):
    """Part of the training images, which leaves some and takes some."""

    def words(self, value: Any) -> str:
        return (
            "lie between 0 and 1 (the best student is chosen on the one part "
            "and measured on the other)"
        )


PART = Part(0, 1, above=True, below=True)


@dataclasses.dataclass(frozen=True)
class DataRequest(Settings):
    """Which data, and how they are to be read."""

    # Asked for in Python; the settings of a run have flags.
    sign = ""

    dataset: str = setting(
        "digits",
        Name("data/catalogue"),
        "{names}: the last three are your own; tfds:NAME is a set of "
        "tensorflow-datasets.",
    )
    data_dir: str | None = setting(
        None,
        Place(),
        "Folder or file with the images: class folders (train/ val/ test/, or "
        "the classes themselves), a .csv of path,label[,split], an .npz, or "
        "the original tree of a named set. Default: tensorflow-datasets' own "
        "copy.",
    )
    download: bool = setting(
        True,
        Flag(),
        "Whether tensorflow-datasets may fetch a named set that is not here.",
    )
    image_size: tuple | None = setting(
        None,
        Sides(most=LARGEST),
        "Height and width that networks see, such as 64 or 224x160; pictures "
        "are scaled to cover it and cut.",
    )
    crop_fraction: float | None = setting(
        None,
        Number(0.1, 1),
        "Part of a picture's height and width that networks see: around the "
        "centre, in training at random places.",
    )
    crop_to_box: bool = setting(
        False, Flag(), "Cut pictures to the boxes that come with the set."
    )
    box_margin: float = setting(
        0.1, Number(0, 10), "Part of a box's sides to add on each side."
    )
    on_bad_image: str = setting(
        "error",
        Choice(("error", "skip")),
        "What a picture that cannot be read leads to: an error, or it is left "
        "out and listed.",
    )
    validation_fraction: float = setting(
        0.1,
        PART,
        "Part of train to choose the student on, where there is no validation "
        "part.",
    )
    test_fraction: float = setting(
        0.2,
        PART,
        "Part of train to test on, where there is none; the same images for "
        "every seed.",
    )
    seed: int = setting(
        0, ANY_COUNT, "Of weights, order, augmentation and validation part."
    )
    feeding: str = setting(
        "auto",
        Choice(("auto", "resident", "stream")),
        "resident: all images on the device; stream: pictures are read again "
        "each epoch; auto: resident if they take little memory.",
    )
    first_classes: int | None = setting(
        None,
        Number(2, MOST, whole=True),
        "Take only so many classes, for a quick trial.",
    )
    per_class: int | None = setting(
        None,
        Number(1, MOST, whole=True),
        "Take only so many training images of each class, chosen by their "
        "content: the same ones from any copy of a set. Test images stay.",
    )
