"""Archives are unpacked whole or not at all, and never elsewhere."""

import gzip
import io
import tarfile
import zipfile

import pytest

from keras_css import UserError
from keras_css.untrusted.archives import find_archives
from keras_css.untrusted.archives import unpack

pytestmark = pytest.mark.once


def silent(line):
    pass


def tar(path, members):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def test_a_tar_and_a_zip_are_unpacked_beside_themselves(tmp_path):
    tar(tmp_path / "a.tgz", {"one/1.txt": b"1", "one/2.txt": b"2"})
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr("two/1.txt", "1")
    found = find_archives(tmp_path)
    assert [path.name for path in found] == ["a.tgz", "b.zip"]
    assert [unpack(path, silent) for path in found] == [["one"], ["two"]]
    assert (tmp_path / "one" / "2.txt").read_bytes() == b"2"
    # Once more: what is there stays.
    (tmp_path / "one" / "2.txt").write_bytes(b"mine")
    assert unpack(found[0], silent) == []
    assert (tmp_path / "one" / "2.txt").read_bytes() == b"mine"


def test_a_member_outside_is_refused(tmp_path):
    name = "../evil.txt"
    place = tmp_path / "place"
    place.mkdir()
    archives = [tar(place / "a.tar.gz", {"ok.txt": b"", name: b"evil"})]
    archives.append(place / "b.zip")
    with zipfile.ZipFile(archives[1], "w") as file:
        file.writestr("ok.txt", "")
        file.writestr(name, "evil")
    with tarfile.open(place / "c.tar", "w") as file:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        file.addfile(link)
    archives.append(place / "c.tar")
    for archive in archives:
        with pytest.raises(UserError, match="must stay in its folder"):
            unpack(archive, silent)
    left = {path.name for path in tmp_path.rglob("*")}
    assert left == {"place", "a.tar.gz", "b.zip", "c.tar"}


def test_a_damaged_archive_leaves_nothing(tmp_path):
    path = tar(tmp_path / "a.tgz", {"one/1.txt": bytes(range(256)) * 999})
    path.write_bytes(path.read_bytes()[:-200])
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 and no more")
    members = {f"{i}.txt": bytes(2000) for i in range(5)}
    packed = bytearray(tar(tmp_path / "c.tgz", members).read_bytes())
    plain = bytearray(gzip.decompress(packed))
    plain[plain.index(b"2.txt")] = 0xFF
    (tmp_path / "d.tar").write_bytes(plain)
    packed[-6] ^= 1
    (tmp_path / "c.tgz").write_bytes(packed)
    for archive in find_archives(tmp_path):
        with pytest.raises(UserError, match="is damaged"):
            unpack(archive, silent)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("a.tgz", "b.zip", "c.tgz", "d.tar"),
    ]


@pytest.mark.parametrize(
    ("kind", "name", "target"),
    [
        (tarfile.SYMTYPE, "link", "../.."),
        (tarfile.LNKTYPE, "link", "../../evil.txt"),
        (tarfile.LNKTYPE, "link", "ABSOLUTE"),
        (tarfile.CHRTYPE, "device", ""),
        (tarfile.BLKTYPE, "device", ""),
        (tarfile.FIFOTYPE, "pipe", ""),
        (tarfile.REGTYPE, "a/../../../evil.txt", ""),
    ],
)
def test_no_kind_of_tar_member_leads_elsewhere(tmp_path, kind, name, target):
    place = tmp_path / "place"
    place.mkdir()
    secret = tmp_path / "evil.txt"
    secret.write_text("mine")
    target = target.replace("ABSOLUTE", str(secret))
    with tarfile.open(place / "a.tar", "w") as file:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        file.addfile(member)
    with pytest.raises(UserError, match="must stay in its folder"):
        unpack(place / "a.tar", silent)
    left = {path.name for path in tmp_path.rglob("*")}
    assert left == {"place", "a.tar", "evil.txt"}
    assert secret.read_text() == "mine"


def test_absolute_names_and_links_in_a_zip_are_refused(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    absolute = zipfile.ZipInfo(str(tmp_path / "evil.txt"))
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    for member in (absolute, link):
        with zipfile.ZipFile(place / "a.zip", "w") as file:
            file.writestr(member, str(tmp_path))
        with pytest.raises(UserError, match="must stay in its folder"):
            unpack(place / "a.zip", silent)
    assert {path.name for path in tmp_path.rglob("*")} == {"place", "a.zip"}


def test_absolute_names_in_a_tar_stay_within(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    unpack(tar(place / "a.tgz", {f"{tmp_path}/x.txt": b"x"}), silent)
    assert not (tmp_path / "x.txt").exists()
    assert (place / str(tmp_path / "x.txt")[1:]).read_bytes() == b"x"


def test_an_archive_that_expands_too_far_is_refused(tmp_path):
    zeros = bytes(2**28 + 1)
    tar(tmp_path / "a.tgz", {"ok.txt": b"", "zeros": zeros})
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", zeros)
    for archive in find_archives(tmp_path):
        with pytest.raises(UserError, match="may hold 268,435,456 at most"):
            unpack(archive, silent)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tgz", "b.zip"}
