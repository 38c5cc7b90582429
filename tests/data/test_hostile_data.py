"""Each file that once broke a reader of data is refused in one line."""

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import scipy.io
import trees
from npz_file import npz
from PIL import Image

from keras_css import UserError
from keras_css.data import load_dataset
from keras_css.data import tfds
from keras_css.data.layouts import read_layout
from keras_css.untrusted.matlab import load_mat
from keras_css_runtime.pictures import MOST_PIXELS
from keras_css_runtime.pictures import to_array

pytestmark = pytest.mark.once


def refuses(read, words):
    with pytest.raises(UserError, match=words) as caught:
        read()
    assert str(caught.value).isprintable()
    error = caught.value
    while error := error.__cause__ or (
        not error.__suppress_context__ and error.__context__
    ):
        assert not isinstance(error, MemoryError), "refused too late"


def member(text, data=b""):
    """Returns an `.npy` member whose header is a text."""
    return (
        b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + data
    )


def declared(descr, shape):
    return (
        f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (member("(" * 900), "damaged or something else"),
        (member("-" * 9000), "damaged or something else"),
        (member("{'descr': \n"), "damaged or something else"),
        (member(declared("|u1", "(10**12,)")), "damaged or something else"),
        (
            member(declared("|u1", "(1000000000, 8, 8, 3)")),
            "declares 192,000,000,000 bytes and holds 0",
        ),
        (member(declared("<U100000000", "(9,)")), "declares 3,600,000,000"),
        (member(declared("|O", "(2,)"), b"\x80\x04N."), "holds Python objects"),
        (member(declared("|u1", "(-1, 8)")), "is no plain array"),
    ],
)
def test_an_array_is_no_larger_than_what_the_file_holds(
    tmp_path, content, words
):
    path = npz(tmp_path / "set.npz")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.npy", content)
    refuses(lambda: load_dataset("npz", path), words)


def test_an_npz_that_expands_too_far_is_refused_before_it_does(tmp_path):
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x_train.npy", "w") as file,
    ):
        for _ in range(300):
            file.write(bytes(2**20))
    refuses(lambda: load_dataset("npz", path), "may hold 268,435,456 at most")


def test_compressed_arrays_and_those_by_columns_are_read(tmp_path):
    arrays = dict(np.load(npz(tmp_path / "a.npz")))
    arrays["x_train"] = np.asfortranarray(arrays["x_train"])
    np.savez_compressed(tmp_path / "b.npz", **arrays)
    found = [load_dataset("npz", tmp_path / f"{name}.npz") for name in "ab"]
    np.testing.assert_array_equal(
        found[0].train.images, found[1].train.images, strict=True
    )


class Call:
    """Asks the unpickler to call something."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({b"data": Call(np.ndarray, (10**10,))}, 2),
        pickle.dumps({b"data": Call(np.dtype, "V2000000000")}, 2),
        pickle.dumps({b"data": np.array([None], object)}, 2),
        pickle.dumps({b"data": np.array(["a"])}, 2),
        b"\x80\x04\x8e" + struct.pack("<Q", 10**11),
        b"\x80\x05\x96" + struct.pack("<Q", 10**11),
        b"\x80\x02Nr" + struct.pack("<I", 2**27) + b".",
        b"c_codecs\nencode\n(X\4\0\0\0abcdX\x08\0\0\0punycodetR.",
    ],
)
def test_a_pickle_gets_no_memory_and_no_calls(tmp_path, content):
    root = trees.cifar100(tmp_path)
    (root / "cifar-100-python" / "train").write_bytes(content)
    refuses(lambda: read_layout(root), "pickle of plain arrays")


def test_labels_of_a_pickle_are_not_multiplied(tmp_path):
    labels = [0] * 9
    for _ in range(12):
        labels = [labels] * 9
    root = trees.cifar100(tmp_path, extra={b"fine_labels": labels})
    refuses(lambda: read_layout(root), "no whole numbers")


def test_damaged_matlab_lists_do_not_end_the_process(tmp_path):
    """SciPy's reader does at some of them, with a segmentation fault."""
    root = trees.stanford_dogs(tmp_path)
    path = root / "lists" / "train_list.mat"
    whole = path.read_bytes()
    for at in range(128, len(whole), 41):
        damaged = bytearray(whole)
        damaged[at] = 0xFF
        path.write_bytes(damaged)
        try:
            read_layout(root)
        except UserError as error:
            assert str(error).isprintable()


def test_a_list_whose_reader_dies_is_refused(tmp_path, monkeypatch):
    path = trees.stanford_dogs(tmp_path) / "lists" / "train_list.mat"
    with monkeypatch.context() as patched:
        patched.setattr(scipy.io, "loadmat", lambda *_, **__: os.abort())
        refuses(lambda: load_mat(path, "labels"), "damaged or another one")
    assert load_mat(path, "labels")[0].tolist() == [7, 7, 7, 3, 3, 3]
    with open(path, "ab") as file:
        file.truncate(2**24)
    refuses(lambda: load_mat(path, "labels"), "8,388,608 bytes, but is larger")


@pytest.mark.parametrize("packed", [False, True])
def test_matlab_lists_are_read_as_scipy_reads_them(tmp_path, packed):
    names = np.array([["Audi A4"], ["Škoda"], ["写真"]], object)
    records = np.array(
        [[(1, 2.5, "a.jpg"), (300, -4.0, "b.jpg")]],
        [("class", "O"), ("side", "O"), ("fname", "O")],
    )
    table = {
        **{"names": names, "records": records, "one": 7},
        "numbers": np.arange(300, dtype="uint16")[:, None],
    }
    path = tmp_path / "list.mat"
    scipy.io.savemat(path, table, do_compression=packed)
    expected = scipy.io.loadmat(path, squeeze_me=True)
    found = dict(zip(table, load_mat(path, *table)))
    assert found["names"].tolist() == expected["names"].tolist()
    assert found["numbers"].tolist() == expected["numbers"].tolist()
    assert found["one"].tolist() == [7]
    for mine, theirs in zip(found["records"], expected["records"]):
        for field in ("class", "side", "fname"):
            assert mine[field] == theirs[field]


def test_links_in_circles_and_impossible_names_are_faults(tmp_path):
    root = trees.class_folders(tmp_path / "a", {"train": 2, "test": 2})
    os.symlink("loop.png", root / "train" / "bee" / "loop.png")
    (fault,) = read_layout(root).faults
    assert "leads nowhere" in fault
    rows = "path,label\n1.png,a\n2\0.png,b\n" + "x" * 300 + ".png,b\n"
    (tmp_path / "list.csv").write_text(rows)
    assert len(read_layout(tmp_path / "list.csv").faults) == 3


@pytest.mark.parametrize("line", ["", " ", "9" * 5000 + " 001.Ant", "-1 x"])
def test_a_line_of_a_list_that_is_none(tmp_path, line):
    root = trees.cub(tmp_path) / "CUB_200_2011"
    (root / "classes.txt").write_text(f"{line}\n")
    refuses(lambda: read_layout(root), "Line 1 of")


@pytest.mark.parametrize("box", [None, (0, 0, 99, 99)])
def test_pixels_that_a_header_declares_are_limited(tmp_path, box):
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "BMP")
    bomb = bytearray(file.getvalue())
    bomb[18:26] = struct.pack("<II", 8000, 8000)
    words = f"8000x8000 pixels are more than {MOST_PIXELS:,}, scale it down"
    refuses(lambda: to_array(bytes(bomb), (8, 8, 3), box=box), words)


def test_a_turned_picture_is_turned_after_its_box_was_cut():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), "uint8")
    exif = Image.Exif()
    exif[0x0112] = 3
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    found = to_array(file.getvalue(), (4, 6, 3), box=(2, 1, 8, 5))
    np.testing.assert_array_equal(found, pixels[1:5, 2:8][::-1, ::-1])


def test_a_prepared_copy_names_no_module_to_import(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text(
        "import pathlib\npathlib.Path('sprung').touch()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "set" / "1.0.0"
    copy.mkdir(parents=True)
    (copy / "dataset_info.json").write_text(
        '{"name": "set", "version": "1.0.0"}'
    )
    for key in ("type", "pythonClassName", "python_class_name"):
        (copy / "features.json").write_text(
            f'{{"{key}": "trap.Feature", "content": {{}}}}'
        )
        refuses(lambda: tfds.read(copy), "names trap.Feature")
    assert not (tmp_path / "sprung").exists()


def test_what_was_given_is_not_shown_without_end():
    error = UserError(f"received {'x' * 10**6}: do this.")
    assert len(str(error)) < 2100
    assert str(error).startswith("received xxx")
    assert str(error).endswith("x: do this.")
