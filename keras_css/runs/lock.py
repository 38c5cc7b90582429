"""One process at a time in a folder."""

import contextlib
import datetime
import os
import platform

from filelock import lock_descriptor

from keras_css.errors import UserError

LOCK = ".lock"
# Windows lets nobody else read the byte that is locked.
LOCKED = b" "


@contextlib.contextmanager
def locked(folder, what):
    """Keeps other processes out of a folder while the context lasts.

    The lock is the kernel's: it goes when its owner dies, however that is, so
    no lock is ever stale. The file names the owner.

    Args:
        folder: The folder, which exists.
        what: What works there, such as `"training"`.

    Yields:
        A file descriptor; where the system is no Windows, a child that
        inherits it keeps the lock.

    Raises:
        UserError: If another process has the lock.
    """
    with open(folder / LOCK, "a+b", buffering=0) as file:
        if not lock_descriptor(file.fileno(), blocking=False):
            file.seek(len(LOCKED))
            owner = file.read(200).decode("utf-8", "replace").strip()
            raise UserError(
                f"One {what} at a time may work in '{folder}', but another "
                f"one, or what it began, is running ({owner or 'unknown'}): "
                "wait for it or end it."
            )
        now = datetime.datetime.now().isoformat(" ", "seconds")
        owner = f"process {os.getpid()} on {platform.node()}, {now}\n"
        file.truncate(0)
        file.write(LOCKED + owner.encode("utf-8", "replace"))
        yield file.fileno()
