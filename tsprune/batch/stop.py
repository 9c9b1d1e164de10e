"""Ctrl-C, and SIGTERM as a batch system sends it, stop at once, print one line, and leave nothing half-done behind."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

_HEARD = (signal.SIGINT, signal.SIGTERM)

_undo: list[Callable[[], None]] = []

_status = 0
"""What the process was told to end with, even if the exception that should end it was caught: 128 and the signal's
number, as a shell gives it to what a signal ended. 0: nothing told it to."""


def leave() -> NoReturn:
    """End the process, as it was told to, by leaving every block that is open: for :func:`undone_by_stop`."""
    sys.exit(_status)


@contextmanager
def undone_by_stop(undo: Callable[[], None]) -> Iterator[None]:
    """While this lasts, a stop calls ``undo`` and ends the process there and then.

    The process is not wound up in order: asyncio, papermill and the kernel's client would each show a traceback.
    """
    _undo.append(undo)
    try:
        yield
    finally:
        _undo.remove(undo)


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C ends the process with status 130 and one line, SIGTERM with 143, even where a library that is being
    imported turns it into another exception. A second one ends it at once, unless something is being undone. A signal
    that is ignored, as SIGINT under nohup, stays ignored."""
    global _status
    _status, before = 0, {number: signal.getsignal(number) for number in _HEARD}
    heard = [number for number in _HEARD if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
        if _status:
            leave()


def _stop(number: int, frame: FrameType | None) -> None:
    global _status
    _status = 128 + number
    for each in _HEARD:
        if signal.getsignal(each) is _stop:
            signal.signal(each, signal.SIG_IGN if _undo else lambda *_: os._exit(_status))
    words = "tsprune: stopped"
    if _undo:
        words += "; what was finished is in the store, and the same command goes on from there"
    os.write(2, f"\n{words}\n".encode())  # print may be what was interrupted
    if not _undo:
        leave()
    for undo in reversed(_undo):
        with suppress(OSError):
            undo()
    with suppress(RuntimeError):  # it may be what was interrupted
        sys.stdout.flush()
    os._exit(_status)
