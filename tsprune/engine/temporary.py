"""A file being written has a temporary name that says who writes it, and is renamed once it is whole.

If the writer is killed, the file keeps that name: nobody reads it, and the next run sees that its writer is gone.
"""

import os
import re
import shutil
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path

STALE_SECONDS = 24 * 3600
"""What has not changed for so long is nobody's work any more, on whatever machine it was begun."""

_NAME = re.compile(r"\.?(?P<host>.+)-(?P<pid>\d+)-[0-9a-f]{8}")


def temporary_name() -> str:
    """A name that nothing else has: this machine, this process, eight digits drawn by chance."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def left_over(path: Path) -> bool:
    """Whether the process that wrote at ``path`` is gone. False for another kind of name (ours may begin with a dot),
    and for what another process has just removed."""
    written_by = _NAME.fullmatch(path.name)
    if written_by is None:
        return False
    if written_by["host"] == socket.gethostname() and process_gone(written_by["pid"]):
        return True
    try:
        newest = max(part.lstat().st_mtime for part in (path, *path.rglob("*")))
    except FileNotFoundError:
        return False
    return time.time() - newest > STALE_SECONDS


def process_gone(pid: str) -> bool:
    """Whether no process of this machine has that number, or only a zombie: in a container often nobody ever reaps
    them. False where that cannot be seen."""
    if not pid.isdecimal() or not Path("/proc").exists():
        return False
    try:
        told = Path("/proc", pid, "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return told.rpartition(")")[2].split()[0] in ("Z", "X")  # after a name that may hold anything


def remove(path: Path) -> None:
    """Delete a folder, a file or a link (never what it points to); another process may be faster."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
