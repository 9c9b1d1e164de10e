"""Arrays that may be larger than memory: kept in a file that the system loads and frees page by page."""

import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tsprune.data.sources import cache_folder
from tsprune.errors import UserError
from tsprune.shown import plain

DATASETS_PER_PROCESS = 2
"""Windows that a process of a study keeps (``tsprune.steps.data``); as many processes as cores run side by side."""
BLOCK = 64 << 20
"""Bytes that are worked on at a time."""

_GROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def memory() -> int:
    """Bytes of memory that this machine has, or that the container or batch job that we run in may have of it."""
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    own = _OWN.read_text() if _OWN.exists() else ""
    name = next((line.removeprefix("0::/") for line in own.splitlines() if line.startswith("0::/")), "")
    groups = [_GROUPS / name, *(_GROUPS / parent for parent in Path(name).parents)]
    limits = [(group / "memory.max").read_text().strip() for group in groups if (group / "memory.max").exists()]
    return min([have, *(int(limit) for limit in limits if limit != "max")])


def fits(size: int) -> bool:
    """Whether arrays of ``size`` bytes can be held in memory: the datasets of all processes that may run side by side
    take half of it at most, the other half is for models, batches and what else runs."""
    return 2 * DATASETS_PER_PROCESS * (os.cpu_count() or 1) * size <= memory()


def empty(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """An array of ``shape`` to be filled: in memory if it fits, otherwise in a file in the user's cache that is removed
    with the array. Raises UserError if there is no room for it."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if fits(size):
        return np.empty(shape, dtype)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(size)
            if hasattr(os, "posix_fallocate"):
                # The room is taken now: a page that finds none later would end the process without a word.
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise UserError(
            f"{size >> 20:,} MiB do not fit in memory ({memory() >> 20:,} MiB) and cannot be kept in "
            f"{plain(folder, 300)}: {error.strerror or error}"
        ) from error


def blocks(array: np.ndarray) -> Iterator[slice]:
    """The rows of ``array`` in slices of about :data:`BLOCK` bytes; memory for what was read of a file is handed back
    after each."""
    rows = max(1, BLOCK // max(1, array.nbytes // max(1, len(array))))
    for begin in range(0, len(array), rows):
        yield slice(begin, min(begin + rows, len(array)))
        release(array)


def release(array: np.ndarray) -> None:
    """Let go of the memory that holds pages of a file's array; its values stay. Nothing for an array in memory."""
    base = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
