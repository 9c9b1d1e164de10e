"""Ctrl-C stops at once, prints one line, and leaves nothing half-done behind."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STATUS = 130
"""Exit status, as a shell gives it to what SIGINT ended."""

_undo: list[Callable[[], None]] = []

_stopped = False
"""Whether the process was told to end, even if the exception that should end it was caught."""


@contextmanager
def undone_by_stop(undo: Callable[[], None]) -> Iterator[None]:
    """While this lasts, Ctrl-C calls ``undo`` and ends the process there and then.

    The process is not wound up in order: asyncio, papermill and the kernel's client would each show a traceback.
    """
    _undo.append(undo)
    try:
        yield
    finally:
        _undo.remove(undo)


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C ends the process with status 130 and one line, even where a library that is being imported turns it into
    another exception. A second Ctrl-C ends it at once, unless something is being undone. Where SIGINT is ignored, as
    under nohup, it stays ignored."""
    global _stopped
    _stopped, before = False, signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if _stopped:
            sys.exit(STATUS)


def _stop(number: int, frame: FrameType | None) -> None:
    global _stopped
    _stopped = True
    signal.signal(signal.SIGINT, signal.SIG_IGN if _undo else lambda *_: os._exit(STATUS))
    words = "tsprune: stopped"
    if _undo:
        words += "; what was finished is in the store, and the same command goes on from there"
    os.write(2, f"\n{words}\n".encode())  # print may be what was interrupted
    if not _undo:
        sys.exit(STATUS)
    for undo in reversed(_undo):
        with suppress(OSError):
            undo()
    with suppress(RuntimeError):  # it may be what was interrupted
        sys.stdout.flush()
    os._exit(STATUS)
