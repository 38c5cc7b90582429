"""One process at a time in a folder."""

import contextlib
import datetime
import fcntl
import os
import platform

from keras_css.errors import UserError

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder, what):
    """Keeps other processes out of a folder while the context lasts.

    The lock is the kernel's: it goes when its owner dies, however that is, so
    no lock is ever stale. The file names the owner.

    Args:
        folder: The folder, which exists.
        what: What works there, such as `"training"`.

    Yields:
        A file descriptor; a child that inherits it keeps the lock.

    Raises:
        UserError: If another process has the lock.
    """
    with open(folder / LOCK, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"One {what} at a time may work in '{folder}', but another "
                "one, or what it began, is running ("
                f"{file.read(200).strip() or 'unknown'}): "
                "wait for it or end it."
            ) from None
        now = datetime.datetime.now().isoformat(" ", "seconds")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}, {now}\n")
        file.flush()
        yield file.fileno()
