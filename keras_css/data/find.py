"""Where the images of a data set come from, in this order.

`--data_dir`, a prepared copy of tensorflow-datasets, preparing one.
"""

import importlib.util
import pathlib

from keras_css.data import tfds
from keras_css.data.catalogue import DATASETS
from keras_css.data.layouts import read_layout
from keras_css.errors import UserError

# Packages by the name they are imported by, where it differs.
PIP_NAMES = {"cv2": "opencv-python-headless"}


def find(entry, request, say):
    """Returns the `Found` of an entry.

    Args:
        entry: The `Entry`.
        request: The `DataRequest`.
        say: Function that takes a line for the user.

    Raises:
        UserError: If the images are nowhere; the line says what to do.
    """
    if request.data_dir:
        return _in_folder(entry, request)
    if entry.read is not None:
        return entry.read()
    if entry.needs_data_dir:
        raise UserError(
            f"--dataset {request.dataset} needs --data_dir, where "
            f"{entry.title} are; received none."
        )
    copy = tfds.prepared_copy(entry.tfds)
    if copy is None:
        copy = _prepare(entry, request, say)
    return tfds.read(copy)


def _in_folder(entry, request):
    path = pathlib.Path(request.data_dir)
    if entry.read is not None:
        kind = path.suffix.lower().removeprefix(".")
        kind = kind if kind in ("npz", "csv") else "folder"
        raise UserError(
            f"{request.dataset} comes with a library and needs no --data_dir, "
            f"received '{path}': did you mean --dataset {kind}?"
        )
    for name in ("npz", "csv"):
        wrong = not path.is_file() or path.suffix.lower() != f".{name}"
        if entry is DATASETS.get(name) and wrong:
            raise UserError(
                f"--data_dir must be a .{name} file, received '{path}'."
            )
    if (path / "dataset_info.json").is_file():
        return tfds.read(path)
    if entry.tfds:
        copy = tfds.prepared_copy(entry.tfds, path)
        if copy is not None:
            return tfds.read(copy)
    found = read_layout(path)
    other = found.layout not in ("", request.dataset)
    if other and entry.tfds:
        raise UserError(
            f"--dataset {request.dataset} must be what --data_dir holds, "
            f"received {found.where}: use --dataset {found.layout}."
        )
    return found


def _prepare(entry, request, say):
    name = request.dataset
    missing = [n for n in entry.needs if not importlib.util.find_spec(n)]
    if not request.download:
        raise _by_hand(entry, name, "--nodownload forbids to fetch it")
    if entry.link_is_dead:
        raise _by_hand(entry, name, "its official link is dead")
    if missing:
        packages = " ".join(PIP_NAMES.get(n, n) for n in missing)
        raise _by_hand(
            entry, name, f"to prepare it needs: pip install {packages}"
        )
    say(
        f"{name} is not on this machine: tensorflow-datasets fetches it to "
        f"{tfds.default_dir()} (--nodownload forbids that)"
    )
    try:
        return tfds.prepare(entry.tfds)
    except UserError as error:
        raise _by_hand(entry, name, f"fetching it failed: {error}") from error


def _by_hand(entry, name, why):
    """Returns the error that names files, folder and the next command."""
    if not entry.by_hand:
        return UserError(
            f"{name} is not on this machine, and {why}. Prepare it where there "
            f"is a network with: python scripts/data.py prepare --dataset "
            f"{name}; copy {tfds.default_dir()}/{entry.tfds} here and go on."
        )
    return UserError(
        f"{name} is not on this machine, and {why}. Get "
        f"{' and '.join(entry.by_hand)}, put it into a folder, say "
        f"data/{name}, and go on with: python scripts/data.py prepare "
        f"--dataset {name} --data_dir data/{name}"
    )
