"""Flags on which images to read, and how."""

from absl import flags

from keras_css_runtime.errors import UserError

FLAGS = flags.FLAGS
MOST_DIGITS = 9
NAMES = (
    *("dataset", "data_dir", "download", "image_size", "crop_fraction"),
    *("crop_to_box", "box_margin", "on_bad_image", "validation_fraction"),
    *("test_fraction", "feeding", "first_classes", "per_class"),
)

flags.DEFINE_string(
    "dataset",
    "digits",
    "digits, cifar10, cifar100, cub200, stanford_dogs, stanford_cars, "
    "tfds:NAME for a set of tensorflow-datasets; your own: folder, csv, npz.",
)
flags.DEFINE_string(
    "data_dir",
    None,
    "Folder or file with the images: class folders (train/ val/ test/, or the "
    "classes themselves), a .csv of path,label[,split], an .npz, or the "
    "original tree of a named set. Default: tensorflow-datasets' own copy.",
)
flags.DEFINE_bool(
    "download",
    True,
    "Whether tensorflow-datasets may fetch a named set that is not here.",
)
flags.DEFINE_string(
    "image_size",
    None,
    "Height and width that networks see, such as 64 or 224x160; pictures are "
    "scaled to cover it and cut.",
)
flags.DEFINE_float(
    "crop_fraction",
    None,
    "Part of a picture's height and width that networks see: around the "
    "centre, in training at random places.",
)
flags.DEFINE_bool(
    "crop_to_box", False, "Cut pictures to the boxes that come with the set."
)
flags.DEFINE_float(
    "box_margin", 0.1, "Part of a box's sides to add on each side."
)
flags.DEFINE_string(
    "on_bad_image",
    "error",
    "What to do with a picture that cannot be read: error, or skip and list.",
)
flags.DEFINE_float(
    "validation_fraction",
    0.1,
    "Part of train to choose the student on, where there is no validation "
    "part.",
)
flags.DEFINE_float(
    "test_fraction", 0.2, "Part of train to test on, where there is none."
)
flags.DEFINE_string(
    "feeding",
    "auto",
    "resident: all images on the device; stream: pictures are read again each "
    "epoch; auto: resident if they take little memory.",
)


flags.DEFINE_integer(
    "first_classes", None, "Take only so many classes, for a quick trial."
)
flags.DEFINE_integer(
    "per_class",
    None,
    "Take only so many training images of each class, chosen by their content: "
    "the same ones from any copy of a set. Test images stay.",
)


def data_settings():
    """Returns the flags as a dict of settings."""
    settings = {name: FLAGS[name].value for name in NAMES}
    if settings["image_size"] is not None:
        settings["image_size"] = image_size(settings["image_size"])
    return settings


def image_size(text):
    """Returns `(height, width)` of a text such as 64 or 224x160.

    Raises:
        UserError: If it is something else.
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(
        side.isdecimal() and len(side) <= MOST_DIGITS for side in sides
    ):
        raise UserError(
            "--image_size must be a number of pixels such as 64, or height x "
            f"width such as 224x160, received '{text}'."
        )
    return (int(sides[0]), int(sides[-1]))
