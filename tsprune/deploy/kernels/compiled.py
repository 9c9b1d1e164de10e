"""The kernel, compiled at its first use on a machine and kept in the user's cache."""

import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import torch

from tsprune.data.sources import cache_folder
from tsprune.errors import UserError, unknown
from tsprune.shown import plain
from tsprune.whole import aside

DENSE = "dense"
"""Instead of a path: no kernel runs, torch computes the products."""


class Instructions(NamedTuple):
    """How a processor computes: floats to a register, and the compiler's words for it."""

    lanes: int
    flags: tuple[str, ...]


PATHS = {
    "avx512": Instructions(16, ("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma")),
    "avx2": Instructions(8, ("-mavx2", "-mfma")),
    "plain": Instructions(4, ()),
}
"""Best first; ``plain`` is what the compiler takes for granted."""

_COMPILERS = ("gcc", "cc")
_FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-shared", "-x", "c", "-")
_SECONDS = 120  # it takes one; more is a compiler that hangs


class Kernel(NamedTuple):
    """A compiled path of the kernel: ``run`` is ``sparse_layers`` of sparse.c, ``average`` its ``moving_average``."""

    path: str
    lanes: int
    run: Callable[..., None]
    average: Callable[..., None]


class Choice(NamedTuple):
    """The path that runs here, or DENSE and the ``reason`` why no path does."""

    path: str
    reason: str | None = None

    def __str__(self) -> str:
        return self.path if self.reason is None else f"{self.path} ({self.reason})"


def paths() -> tuple[str, ...]:
    """Those that this processor can run, best first, as torch sees it (and ``ATEN_CPU_CAPABILITY`` lowers it)."""
    least = {"AVX512": "avx512", "AVX2": "avx2"}.get(torch.backends.cpu.get_cpu_capability(), "plain")
    names = list(PATHS)
    return tuple(names[names.index(least) :])


def best() -> Choice:
    """The best path of this processor, compiled now if it is not yet; DENSE where it cannot be."""
    path = paths()[0]
    try:
        load(path)
    except UserError as error:
        return Choice(DENSE, str(error))
    return Choice(path)


@cache
def load(path: str) -> Kernel:
    """The kernel for ``path``, one of PATHS: from the user's cache, or compiled into it.

    Where the cache cannot be written to, or what lies there is not this user's own, it is compiled for this process
    alone. Raises :class:`UserError` for a path that is unknown or that the processor cannot run, and where there is no
    compiler, it fails, or what it made does not load.
    """
    if path not in PATHS:
        raise UserError(unknown("path", path, PATHS))
    if path not in paths():
        raise UserError(f"this processor has no {path}; it has {', '.join(paths())}")
    if sys.platform != "linux":
        raise UserError(f"the kernel runs only on Linux, this is {sys.platform}")
    kept = cache_folder() / "kernels" / f"sparse-{path}-{_digest(path)}.so"
    if not _trusted(kept):
        content = _compiled(path)
        if not _keep(kept, content):
            with tempfile.TemporaryDirectory() as folder:
                made = Path(folder) / kept.name
                made.write_bytes(content)
                return _loaded(made, path)  # the file may go once it is loaded
    return _loaded(kept, path)


def _digest(path: str) -> str:
    """Names what is compiled: another source, other flags and another kind of processor are another file."""
    parts = (_source(), " ".join((*PATHS[path].flags, *_FLAGS)).encode(), platform.machine().encode())
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:16]


def _source() -> bytes:
    return (files(__package__) / "sparse.c").read_bytes()


def _trusted(path: Path) -> bool:
    """Whether the file is there and nobody but this user can have written it: its code will run."""
    try:
        found = [path.stat(), path.parent.stat()]
    except OSError:
        return False
    return all(each.st_uid == os.getuid() and not each.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for each in found)


def _keep(path: Path, content: bytes) -> bool:
    """Put ``content`` there, under another name first: nobody reads half of it. Whether it is there now, and ours."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with aside(path) as temporary:
            temporary.touch(mode=0o600, exist_ok=False)  # its owner's alone from the first byte on
            temporary.write_bytes(content)
    except OSError:  # no room, no right to write: compiled again by the next process
        return False
    return _trusted(path)


def _compiled(path: str) -> bytes:
    """The shared library, as the first compiler that is there makes it."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        raise UserError(f"found no C compiler ({', '.join(_COMPILERS)})")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "sparse.so"
        command = [compiler, *PATHS[path].flags, f"-DLANES={PATHS[path].lanes}", *_FLAGS, "-o", str(made)]
        try:
            done = subprocess.run(command, input=_source(), capture_output=True, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{Path(compiler).name} failed: {plain(error, 300)}") from None
        if done.returncode or not made.is_file():
            told = [line for line in done.stderr.decode(errors="replace").splitlines() if "error" in line]
            first = plain(told[0], 300) if told else f"status {done.returncode}"
            raise UserError(f"{Path(compiler).name} failed: {first}")
        return made.read_bytes()


def _loaded(library: Path, path: str) -> Kernel:
    """The kernel's functions, with their threads from the OpenMP that torch has brought into the process."""
    try:
        code = ctypes.CDLL(str(library))
        run, average = code.sparse_layers, code.moving_average
    except (OSError, AttributeError) as error:
        raise UserError(f"the compiled kernel cannot be loaded: {plain(error, 300)}") from None
    pointer, number, long, whole = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int64, ctypes.c_int
    run.argtypes = [pointer, whole, whole, pointer, number, number, pointer, number, number, long]
    run.argtypes += [whole, pointer, number, whole]
    average.argtypes = [pointer, pointer, long, whole, number, whole, whole, whole, whole]
    run.restype = average.restype = None
    return Kernel(path, PATHS[path].lanes, run, average)
