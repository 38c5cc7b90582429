"""Hostile `.npz` files, CIFAR's pickles and MATLAB's lists."""

import functools
import io
import pickle
import struct
import zipfile

import numpy as np

from fuzzing.mutations import TEXTS
from fuzzing.mutations import spoil_bytes
from fuzzing.reader import Reader
from fuzzing.reader import silent
from keras_css.data import load_dataset
from keras_css.data.layouts import read_layout

SHAPES = (
    *("()", "(0,)", "(-1, 8)", "(10**9, 8)", "(1000000000, 8, 8, 3)"),
    *("(4294967296, 4294967296)", "(9223372036854775807,)", "(True, 8)"),
    *("(8, 0, 8, 3)", "(2**70,)", "('8',)", "None", "(1e9,)"),
)
TYPES = (
    *("|O", "|u1", "<i8", "<f8", "<c16", "<U100000000", "|S1000000000"),
    *("|V2000000000", "<M8[s]", "x", "[('a', '<i4')]", "|b1", ">u2"),
)


def npy_header(descr, shape, version=b"\1\0"):
    """Returns the first bytes of an `.npy` member that declares anything."""
    descr = descr if descr[:1] == "[" else repr(descr)
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"
    return (
        b"\x93NUMPY"
        + version
        + struct.pack("<H", len(text) % 2**16)
        + text.encode("latin1", "replace")
    )


@functools.cache
def zeros_member(size):
    """Returns a zip of one member `x_train.npy` that expands to `size`."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x_train.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy_header("|u1", f"({size // 3072}, 32, 32, 3)"))
        block = bytes(2**20)
        for _ in range(size // len(block)):
            member.write(block)
    return file.getvalue()


def spoil_npz(rng, arrays):
    """Returns the bytes of an `.npz` with members changed or damaged."""
    if rng.random() < 0.002:
        return zeros_member(700 * 2**20)
    arrays = dict(arrays)
    name = rng.choice(list(arrays))
    raw = {}
    kind = rng.randrange(9)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = arrays[name].astype(rng.choice(("S3", "U2", "O")))
    elif kind == 2:
        shape = rng.choice(((), (0,), (1, 1), (2, 0, 8, 3), (40,)))
        arrays[name] = np.resize(arrays[name], shape)
    elif kind == 3:
        raw[name] = npy_header(
            rng.choice(TYPES),
            rng.choice(SHAPES),
            rng.choice((b"\1\0", b"\3\0")),
        ) + rng.randbytes(rng.choice((0, 64)))
    elif kind == 4:
        opening = rng.choice(("(" * 900, "{" * 9000, "-" * 20_000))
        raw[name] = npy_header(opening, opening)
    elif kind == 5:
        other = rng.choice(TEXTS).replace("\ud800", "?").replace("\0", "0")
        raw[other[:1000]] = b"text"
    elif kind == 6 and arrays[name].dtype.kind in "iu":
        values = arrays[name].astype("int64")
        values.flat[: rng.choice((1, 3))] = rng.choice((-1, 100, 2**31))
        arrays[name] = values
    elif kind == 7:
        arrays[name] = np.array(
            [rng.choice(TEXTS)[:500].replace("\ud800", "?") for _ in range(4)]
        )
    file = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(file, "w", packing) as archive:
        for key, array in arrays.items():
            if key in raw:
                continue
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array))
            data = member.getvalue()
            if rng.random() < 0.5 / len(arrays):
                data = spoil_bytes(rng, data)
            archive.writestr(f"{key}.npy", data)
        for key, data in raw.items():
            archive.writestr(f"{key}.npy", data)
    data = file.getvalue()
    return spoil_bytes(rng, data) if rng.random() < 0.3 else data


@functools.cache
def _small_set():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 255, (24, 8, 8, 3), "uint8"),
        "y_train": np.arange(24) % 4,
        "x_test": rng.integers(0, 255, (8, 8, 8, 3), "uint8"),
        "y_test": np.arange(8) % 4,
        "classes": np.array(["ant", "bee", "cat", "dog"]),
    }


def _make_npz(rng, folder):
    (folder / "set.npz").write_bytes(spoil_npz(rng, _small_set()))


def _read_npz(folder):
    load_dataset("npz", folder / "set.npz", say=silent)


def _make_cifar(rng, folder):
    place = folder / "cifar-100-python"
    place.mkdir()
    pixels = np.arange(6 * 3072, dtype="uint8").reshape(6, 3072)
    for part in ("train", "test"):
        batch = {b"data": pixels, b"fine_labels": [0, 1, 2, 0, 1, 2]}
        _write_pickle(rng, place / part, batch)
    names = {b"fine_label_names": [b"ant", b"bee", b"cat"]}
    _write_pickle(rng, place / "meta", names)


class _Call:
    """Asks to be restored by calling something."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def _write_pickle(rng, path, value):
    value = dict(value)
    kind = rng.randrange(8)
    if kind == 0:
        key = rng.choice(list(value))
        value[key] = rng.choice(
            (None, [], {}, 3, [2**80], [1.5], "text", [None], [b"\xff"], [[1]])
        )
    elif kind == 1:
        key = rng.choice(list(value))
        value[key] = rng.choice(
            (
                _Call(np.ndarray, (10**10,)),
                _Call(np.dtype, "V2000000000"),
                _Call(eval, "1"),
                _Call(np.zeros, 10**10),
                np.array([None, 1], object),
                np.array(["a"] * 6),
                np.float64(3),
            )
        )
    data = pickle.dumps(value, protocol=rng.choice((2, 2, 0, 4, 5)))
    if kind == 2:
        data = rng.choice(
            (
                b"\x80\x04\x8e" + struct.pack("<Q", 10**11),
                b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1),
                b"\x80\x02T" + struct.pack("<i", 2**31 - 1),
                b"\x80\x04\x95" + struct.pack("<Q", 10**12) + b"N.",
                b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
                b"\x80\x02r" + struct.pack("<I", 2**31 - 1) + b".",
                b"\x80\x02N" + b"r" + struct.pack("<I", 2**27) + b".",
                b"c_codecs\nencode\n(X\x40\x0d\x03\0"
                + "é".encode() * 100_000
                + b"X\x08\0\0\0punycodetR.",
                b"I" + b"9" * 200_000 + b"\n.",
            )
        )
    path.write_bytes(spoil_bytes(rng, data) if rng.random() < 0.4 else data)


def _read_cifar(folder):
    read_layout(folder)


@functools.cache
def _lists():
    from scipy.io import savemat

    kind = [(name, "O") for name in ("bbox_x1", "bbox_y1", "bbox_x2")]
    kind += [(name, "O") for name in ("bbox_y2", "class", "fname")]
    rows = [(2, 2, 7, 7, 1 + i % 2, f"{i}.jpg") for i in range(4)]
    tables = {
        "train_list.mat": {
            "file_list": np.array([[f"a-{i % 2}/{i}"] for i in range(6)], "O"),
            "labels": np.array([[1 + i % 2] for i in range(6)], "uint8"),
        },
        "cars_train_annos.mat": {"annotations": np.array([rows], kind)},
        "cars_meta.mat": {"class_names": np.array([["Audi", "BMW"]], "O")},
    }
    found = {}
    for name, table in tables.items():
        for packed in (False, True):
            file = io.BytesIO()
            savemat(file, table, do_compression=packed)
            found[name, packed] = file.getvalue()
    return found


def _make_mat(rng, folder):
    def write(path, name):
        path.parent.mkdir(exist_ok=True)
        data = _lists()[name, rng.random() < 0.3]
        path.write_bytes(spoil_bytes(rng, data) if rng.random() < 0.6 else data)

    if rng.random() < 0.5:
        (folder / "Images").mkdir()
        write(folder / "lists" / "train_list.mat", "train_list.mat")
        write(folder / "lists" / "test_list.mat", "train_list.mat")
    else:
        for name in ("cars_train_annos.mat", "cars_meta.mat"):
            write(folder / "devkit" / name, name)


def _read_mat(folder):
    read_layout(folder)


READERS = [
    Reader("npz", _make_npz, _read_npz),
    Reader("cifar_pickles", _make_cifar, _read_cifar),
    Reader("matlab_lists", _make_mat, _read_mat),
]
