"""The original tree of Stanford Cars: pictures and a `devkit/` of lists."""

from keras_css.data.layouts.found import Listing
from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.untrusted.matlab import load_mat

TRAIN = "cars_train_annos.mat"
META = "cars_meta.mat"
# The devkit's own list of test images has no classes; this one was published
# later and is found beside the pictures or in the devkit.
TEST = "cars_test_annos_withlabels.mat"
SIDES = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")


def matches(path):
    """Returns the folder that holds `devkit/`, itself or in it, else None."""
    for place in (path, path / "stanford_cars", path / "car_data"):
        if (place / "devkit" / TRAIN).is_file():
            return place
    return None


def read(root):
    """Reads pictures, models and boxes; classes are those that occur.

    Without the list of test labels, the test part is taken from the training
    images.

    Raises:
        UserError: If a list is damaged.
    """
    (names,) = load_mat(root / "devkit" / META, "class_names")
    rows = _rows("train", root / "cars_train", root / "devkit" / TRAIN)
    for place in (root / "devkit" / TEST, root / TEST):
        if place.is_file():
            rows += _rows("test", root / "cars_test", place)
            break
    numbers = sorted({label for *_, label, _ in rows})
    if not numbers or numbers[0] < 1 or numbers[-1] > len(names):
        raise UserError(
            f"The lists of '{root}' must have classes from 1 to {len(names)}, "
            f"received {numbers[:1]} to {numbers[-1:]}."
        )
    index = {number: i for i, number in enumerate(numbers)}
    listing = Listing(root)
    for part, path, label, box in rows:
        listing.add(part, path, index[label], box)
    return listing.found(
        f"the Stanford Cars tree of {root}",
        [str(names[number - 1]) for number in numbers],
        layout="stanford_cars",
    )


def _rows(part, folder, annotations):
    (entries,) = load_mat(annotations, "annotations")
    missing = {*SIDES, "class", "fname"} - set(entries.dtype.names or ())
    if missing:
        raise UserError(
            f"'{annotations}' must have the fields of Stanford Cars, but "
            f"{', '.join(sorted(missing))} is missing."
        )
    try:
        return [_row(part, folder, entry) for entry in entries]
    except (TypeError, ValueError) as error:
        raise UserError(
            f"'{annotations}' must have a number in every field but fname: "
            f"{first_line(error)}."
        ) from error


def _row(part, folder, entry):
    left, top, right, bottom = (float(entry[side]) for side in SIDES)
    # MATLAB counts pixels from 1; the last pixel belongs to the box.
    box = (left - 1, top - 1, right, bottom)
    return part, folder / str(entry["fname"]), int(entry["class"]), box
