"""Files are written whole or not at all: under another name in the same folder, then renamed."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from tsprune.errors import UserError
from tsprune.shown import plain


@contextlib.contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A name in the folder of ``path`` that nobody else has. The file written there replaces ``path`` (if that is a
    link, what it points to) at the end of the block, and is deleted if the block fails. Errors of the disk are raised
    as they are."""
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f"{path.name[:50]}.{uuid.uuid4().hex}.tmp")  # 50 signs of 4 bytes leave room below 255
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError, ValueError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[str]:
    """Inside the block nobody else is in such a block of the same ``folder``. The lock ends with the process, however
    that ends. Gives "" or the reason why there is no lock; raises OSError where the folder cannot be opened."""
    try:
        import fcntl  # of POSIX; elsewhere a folder cannot be opened either
    except ImportError as error:
        yield str(error)
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            unlocked = ""
        except OSError as error:
            unlocked = error.strerror or str(error)
        yield unlocked
    finally:
        os.close(handle)


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Write a file, its folder first where there is none; a reader never sees half of it.

    Raises :class:`UserError` if the folder cannot be made, writing is not permitted, or the disk is full."""
    path = Path(path)
    try:
        with contextlib.suppress(FileExistsError):  # a file in the folder's place: the error of writing says more
            path.parent.mkdir(parents=True, exist_ok=True)
        with aside(path) as temporary:
            temporary.write_bytes(content)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{plain(path, 1000)} cannot be written: {reason}") from None
