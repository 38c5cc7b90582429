"""Unpacking what a user downloaded, never outside of its folder."""

import os
import pathlib
import shutil
import stat
import tarfile
import tempfile
import zipfile

from keras_css.errors import UserError
from keras_css.errors import first_line
from keras_css.untrusted.sizes import check_expansion

ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


def find_archives(folder):
    """Returns the archives that lie in a folder, sorted."""
    return sorted(
        path
        for path in pathlib.Path(folder).iterdir()
        if path.is_file() and path.name.lower().endswith(ENDINGS)
    )


def unpack(archive, say=print):
    """Unpacks an archive beside itself: all of it, or nothing.

    Args:
        archive: Path of a zip or tar file.
        say: Function that takes a line for the user.

    Returns:
        Names of the folders and files that are now beside the archive; those
        that were there before are kept, and not in the list.

    Raises:
        UserError: If the archive is damaged or a member of it would lie
            elsewhere.
    """
    archive = pathlib.Path(archive)
    folder = archive.parent
    part = pathlib.Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    try:
        say(f"unpacking {archive}")
        try:
            _extract(archive, part)
        except UserError:
            raise
        # The libraries raise nearly anything for damaged files.
        except Exception as error:
            raise UserError(
                f"'{archive}' must be a whole zip or tar file, but is damaged: "
                f"{first_line(error)}. Fetch it again."
            ) from error
        new = [path for path in sorted(part.iterdir())]
        there = [p.name for p in new if (folder / p.name).exists()]
        for name in there:
            say(f"{folder / name} is there already and stays as it is")
        for path in new:
            if path.name not in there:
                os.rename(path, folder / path.name)
        return [path.name for path in new if path.name not in there]
    finally:
        shutil.rmtree(part, ignore_errors=True)


class _Measured:
    """tarfile's filter for data that also stops a decompression bomb.

    Args:
        archive: Path of the archive.
    """

    def __init__(self, archive):
        self.archive = archive
        self.size = 0

    def __call__(self, member, folder):
        self.size += member.size
        check_expansion(self.archive, self.size)
        return tarfile.data_filter(member, folder)


def _extract(archive, folder):
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                kind = stat.S_IFMT(member.external_attr >> 16)
                path = (folder / member.filename).resolve()
                if kind == stat.S_IFLNK or not path.is_relative_to(
                    folder.resolve()
                ):
                    raise UserError(
                        f"'{archive}' must stay in its folder, but its member "
                        f"'{member.filename}' does not: do not use it."
                    )
            check_expansion(archive, sum(m.file_size for m in file.infolist()))
            file.extractall(folder)
        return
    with tarfile.open(archive) as file:
        try:
            # Python's own filter: no absolute path, no .., no link or device
            # that leads elsewhere.
            file.extractall(folder, filter=_Measured(archive))
        except tarfile.FilterError as error:
            raise UserError(
                f"'{archive}' must stay in its folder, but does not: "
                f"{first_line(error)}. Do not use it."
            ) from error
        # tarfile takes a damaged header for the end, and reads no further:
        # what follows must be zeros, up to the checksum of the compression.
        file.fileobj.seek(file.offset)
        while block := file.fileobj.read(1 << 20):
            if block.strip(b"\0"):
                raise ValueError("a member's header cannot be read")
