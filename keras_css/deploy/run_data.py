"""What a run's data are now, for the proof of what it ships."""

import dataclasses

from keras_css.errors import UserError
from keras_css.runs.train import describe_data
from keras_css_runtime.text import composed

PARTS = ("validation", "test")


@dataclasses.dataclass(frozen=True)
class RunData:
    """Images to prove and to measure a student of a run on.

    Attributes:
        same: Dict from `"validation"` or `"test"` to a `Split` that is the
            run's own.
        changed: Dict from `"validation_now"` or `"test_now"` to one that is
            not: the run may have trained on some of its images.
        images: Images for the proof where neither can be measured, or None.
        about: What is to be said of it in the file.
    """

    same: dict
    changed: dict
    images: object
    about: dict


def data_of_run(stored, dataset, say):
    """Returns `RunData`: which images are the run's, and which are not.

    A picture more or less is dealt out anew, among all parts that do not have
    a folder of their own.

    Args:
        stored: What `config.json` says of the data.
        dataset: The `Dataset` as it is now.
        say: Function that takes a line for the user.

    Raises:
        UserError: If the images have another shape: they are others.
    """
    found = describe_data(dataset)
    shape = stored["image_shape"]
    if found["image_shape"] != shape:
        raise UserError(
            f"The data must be those of the run, whose image_shape was "
            f"{shape}, received {found['image_shape']}: check --data_dir."
        )
    splits = {part: getattr(dataset, part) for part in PARTS}
    classes = found["class_names"] == _names(stored)
    same = {
        part: split
        for part, split in splits.items()
        if classes and _is_same(part, stored, found)
    }
    changed = {
        f"{part}_now": split
        for part, split in splits.items()
        if classes and part not in same
    }
    if classes and not changed and _is_same("train", stored, found):
        return RunData(same, {}, None, {})
    about = {"data_changed": _difference(stored, found)}
    if classes and not changed:
        say(
            f"the data changed since training ({about['data_changed']}): the "
            f"proof uses the {len(splits['validation'])} validation images of "
            "the run, which are there as they were, and so are the test images"
        )
        return RunData(same, {}, None, about)
    if not classes:
        say(
            f"the data changed since training ({about['data_changed']}): the "
            f"proof uses the {len(splits['validation'])} validation images of "
            "now, and no accuracy is measured, for the classes are others"
        )
        return RunData({}, {}, splits["validation"].images, about)
    which = "of now" if "validation_now" in changed else "of the run"
    names = " and ".join(changed)
    say(
        f"the data changed since training ({about['data_changed']}): the proof "
        f"uses the {len(splits['validation'])} validation images {which}; "
        f"accuracies are named {names}, for the run may have trained on some "
        "of these images"
    )
    return RunData(same, changed, None, about)


def _names(stored):
    """Returns the run's class names in the form in which names are compared."""
    return [composed(name) for name in stored["class_names"]]


def _is_same(part, stored, found):
    count = f"{'training' if part == 'train' else part}_images"
    digests = stored.get("content")
    if stored[count] != found[count]:
        return False
    # Runs of before have no digests.
    return digests is None or digests.get(part) == found["content"][part]


def _difference(stored, found):
    """Returns words on what changed."""
    told = []
    if _names(stored) != found["class_names"]:
        told.append(
            f"{len(stored['class_names'])} classes then, "
            f"{len(found['class_names'])} now"
        )
    for part in ("training", *PARTS):
        before, now = stored[f"{part}_images"], found[f"{part}_images"]
        if before != now:
            told.append(f"{before} {part} images then, {now} now")
    return "; ".join(told) or "as many images, but others"
