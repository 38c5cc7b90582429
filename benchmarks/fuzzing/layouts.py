"""Hostile lists, class folders and archives."""

import functools
import io
import os
import tarfile
import zipfile

from fuzzing.images import hostile_picture
from fuzzing.images import seeds
from fuzzing.mutations import TEXTS
from fuzzing.mutations import spoil_bytes
from fuzzing.mutations import spoil_text
from fuzzing.reader import Reader
from fuzzing.reader import silent
from keras_css.data import load_dataset
from keras_css.data.archives import unpack
from keras_css.data.layouts import read_layout

ROWS = [
    f"{'ab'[i % 2]}/{i}.png,{('ant', 'bee')[i % 2]},{part}"
    for i, part in enumerate(["train"] * 8 + ["val"] * 2 + ["test"] * 2)
]
CUB = {
    "images.txt": [f"{i} a/{i}.jpg" for i in range(1, 7)],
    "image_class_labels.txt": [f"{i} {1 + i % 2}" for i in range(1, 7)],
    "train_test_split.txt": [f"{i} {int(i < 5)}" for i in range(1, 7)],
    "classes.txt": ["1 001.Ant", "2 002.Bee"],
    "bounding_boxes.txt": [f"{i} 1.0 1.0 5.0 5.0" for i in range(1, 7)],
}
# Where a member of an archive, or a link, must not lead.
OUTSIDE = (
    *(
        "../x",
        "/tmp/fuzz-passwd",
        "a/../../x",
        "..",
        "a/../../../x",
        "//x",
        "~/x",
    ),
    *("./x", "a\\..\\..\\x", "\0x", "x" * 300, "写/真", "a", ".", ""),
)


@functools.cache
def _pngs():
    return [data for kind, data in seeds() if kind == "PNG"]


def _put(rng, path, number):
    """Writes a picture that is whole, or seldom is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = _pngs()[number % len(_pngs())]
    if rng.random() < 0.05:
        data, _ = hostile_picture(rng, large_ones=False)
    path.write_bytes(data)


def _make_csv(rng, folder):
    for i, row in enumerate(ROWS):
        _put(rng, folder / row.split(",")[0], i)
    text = "\n".join(["path,label,split", *ROWS])
    data = spoil_text(rng, text)
    if rng.random() < 0.01:
        data = b'path,label\n"' + b"x" * rng.choice((10**5, 10**6))
    (folder / "list.csv").write_bytes(data)


def _read_csv(folder):
    load_dataset("csv", folder / "list.csv", say=silent, on_bad_image="skip")


def _name(rng):
    text = rng.choice(TEXTS).replace("\0", "0").replace("/", "-")
    name = text.encode(
        "utf-8", "surrogateescape" if text != "\ud800" else "replace"
    )[:200]
    return os.fsdecode(name) if name not in (b"", b".", b"..") else "n"


def _make_folders(rng, folder):
    parts = rng.choice(((".",), ("train", "test"), ("train", "val", "test")))
    for part in parts:
        for label, name in enumerate(("ant", "bee")):
            if rng.random() < 0.2:
                name = _name(rng)
            for i in range(6):
                file = f"{i}.png"
                if rng.random() < 0.05:
                    file = _name(rng)[:60] + ".png"
                _put(rng, folder / part / name / file, 2 * i + label)
    for _ in range(rng.choice((0, 0, 1, 2))):
        place = rng.choice([folder, *(folder / p for p in parts)])
        inner = rng.choice([place, *(p for p in place.iterdir() if p.is_dir())])
        path = inner / rng.choice(("l", "l.png", _name(rng)))
        if path.exists() or path.is_symlink():
            continue
        kind = rng.randrange(4)
        if kind == 0:
            os.symlink(rng.choice(("/etc", "..", "/dev/zero", "l.png")), path)
        elif kind == 1:
            os.mkfifo(path)
        elif kind == 2:
            path.mkdir()
        else:
            path.write_bytes(b"")


def _read_folders(folder):
    load_dataset("folder", folder, say=silent, on_bad_image="skip")


def _make_cub(rng, folder):
    for i in range(1, 7):
        _put(rng, folder / "images" / "a" / f"{i}.jpg", i)
    for name, lines in CUB.items():
        data = "\n".join(lines).encode()
        if rng.random() < 0.4:
            data = spoil_text(rng, "\n".join(lines), " ")
        if rng.random() < 0.98:
            (folder / name).write_bytes(data)


def _read_cub(folder):
    if (folder / "images.txt").exists():
        load_dataset("cub200", folder, say=silent, on_bad_image="skip")
    else:
        read_layout(folder)


@functools.cache
def _zeros(size):
    """Returns a tar and a zip, small, of one member of many zeros."""
    tar, packed = io.BytesIO(), io.BytesIO()
    info = tarfile.TarInfo("zeros")
    info.size = size
    with tarfile.open(fileobj=tar, mode="w:gz") as file:
        file.addfile(info, io.BytesIO(bytes(size)))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(size))
    return {"tgz": tar.getvalue(), "zip": packed.getvalue()}


def _make_archive(rng, folder):
    place = folder / "place"
    place.mkdir()
    kind = rng.choice(("zip", "tar", "tgz", "tar.bz2", "tar.xz"))
    if rng.random() < 0.002:
        kind = rng.choice(("zip", "tgz"))
        (place / f"a.{kind}").write_bytes(_zeros(2**29)[kind])
        return
    members = ["a/1.txt", "a/2.txt", "b/3.txt"]
    for _ in range(rng.choice((0, 1, 1, 2))):
        # Were it not refused, nothing of the machine's may be written over.
        name = rng.choice((*OUTSIDE, *TEXTS)).replace("/etc/", "/tmp/fuzz-")
        members.insert(rng.randrange(4), name)
    file = io.BytesIO()
    if kind == "zip":
        _write_zip(rng, file, members)
    else:
        _write_tar(rng, file, members, kind)
    data = file.getvalue()
    if rng.random() < 0.4:
        data = spoil_bytes(rng, data)
    (place / f"a.{kind}").write_bytes(data)


def _write_zip(rng, file, members):
    with zipfile.ZipFile(file, "w", rng.choice((0, 8, 12, 14))) as archive:
        for name in members:
            info = zipfile.ZipInfo(name.replace("\ud800", "?")[:60_000])
            info.external_attr = rng.choice((0, 0o120777, 0o60666)) << 16
            archive.writestr(info, rng.choice((b"text", b"../../x", b"/etc")))


def _write_tar(rng, file, members, kind):
    mode = {"tar": "w", "tgz": "w:gz"}.get(kind, f"w:{kind[4:]}")
    with tarfile.open(
        fileobj=file,
        mode=mode,
        format=rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)),
        errors="surrogatepass",
    ) as archive:
        for name in members:
            name = name.replace("\0", "0").replace("\ud800", "?")
            info = tarfile.TarInfo(name[:30_000])
            if rng.random() < 0.3:
                info.type = rng.choice(
                    (
                        *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE),
                        *(tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.BLKTYPE),
                    )
                )
                info.linkname = rng.choice(OUTSIDE).replace("\0", "0")
                info.devmajor, info.devminor = 1, 5
                archive.addfile(info)
                continue
            info.size = 4
            info.mode = rng.choice((0o644, 0o7777, 0))
            archive.addfile(info, io.BytesIO(b"text"))


def _read_archive(folder):
    (archive,) = (folder / "place").iterdir()
    before = archive.read_bytes()
    try:
        unpack(archive, silent)
    finally:
        outside = [path for path in folder.iterdir() if path.name != "place"]
        if outside or os.path.lexists("/tmp/fuzz-passwd"):
            raise AssertionError(f"unpacked outside: {outside}")
        if not archive.is_file() or archive.read_bytes() != before:
            raise AssertionError("the archive itself was changed")
        inside = os.path.realpath(folder)
        for path in folder.rglob("*"):
            # A link in a circle has no end, but leads nowhere else.
            place = os.path.realpath(path)
            if path.is_symlink() and os.path.commonpath((place, inside)) != (
                inside
            ):
                raise AssertionError(f"a link leads outside: {path}")


READERS = [
    Reader("csv", _make_csv, _read_csv),
    Reader("class_folders", _make_folders, _read_folders),
    Reader("cub_lists", _make_cub, _read_cub),
    Reader("archives", _make_archive, _read_archive),
]
