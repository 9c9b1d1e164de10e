"""Reads files whole, checks where files can be written, and turns errors of disks and names into one line."""

import contextlib
import os
import stat
from pathlib import Path

from tsprune.errors import UserError
from tsprune.places import near_file
from tsprune.shown import plain

MOST_BYTES = (1 << 31) - 1
"""Of a file: those of protobuf, which ONNX is, can be no larger."""

_LONGEST = 1000  # signs of a path that a message shows


def named(path: str | os.PathLike) -> str:
    """A path as messages show it: whole, on one line."""
    return plain(path, _LONGEST)


def read_whole(path: str | os.PathLike) -> bytes:
    """The bytes of a file. Raises :class:`UserError` if there is no such file, or it is too large or not readable."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{named(path)} is not a file")
        if found.st_size > MOST_BYTES:
            raise UserError(f"{named(path)} has {found.st_size:,} bytes; an ONNX file has at most {MOST_BYTES:,}")
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"there is no file {named(path)}{near_file(path)}") from None
    except (OSError, ValueError) as error:  # a name that is too long, or holds a zero
        raise UserError(f"{named(path)} cannot be read: {_reason(error)}") from None


def need_place(path: str | os.PathLike) -> None:
    """Raise :class:`UserError` if no file could be written: checked before long work, not after it."""
    path = Path(path)
    try:
        is_folder = path.is_dir()
    except OSError as error:  # a name that is too long
        raise UserError(f"{named(path)} cannot be written: {_reason(error)}") from None
    if is_folder:
        raise UserError(f"{named(path)} is a folder; name a file")
    if not path.parent.is_dir():
        raise UserError(f"{named(path)} cannot be written: there is no folder {named(path.parent)}")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{named(path)} cannot be written: no permission to write in {named(path.parent)}")


def need_other(path: str | os.PathLike, *read: str | os.PathLike) -> None:
    """Raise :class:`UserError` if a file would overwrite one of those that are read for it."""
    for source in read:
        with contextlib.suppress(OSError, ValueError):  # one of the two is no file
            if os.path.samefile(path, source):
                raise UserError(f"{named(path)} is the file that is read; choose another file to write")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
