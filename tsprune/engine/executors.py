"""Where steps run. The grid takes any ``concurrent.futures.Executor``; this is the default: processes of this machine.

A worker process computes with one thread, so that as many steps as there are cores run side by side and a step's
numbers do not depend on how many. It ends by itself when its parent is gone, however the parent died.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker

import torch


class WorkerDied(Exception):
    """Of a future: the worker that its step was on is gone, and others go on."""


class Lost(Exception):
    """Raised by a future when nobody knows any more what becomes of its step, and the executor cannot be used any
    further."""


def local_processes(jobs: int) -> Callable[[], Executor]:
    """A maker of process pools with ``jobs`` workers. Fresh interpreters (spawn): torch does not survive a fork."""

    def make() -> Executor:
        context = multiprocessing.get_context("spawn")
        return _Pool(jobs, mp_context=context, initializer=_start_worker)

    return make


class _Pool(ProcessPoolExecutor):
    """Counts as broken also where a worker is killed while it is being started: the pipe to it is, and the standard
    library's pool lets that through as an OSError and leaves the other workers waiting."""

    def submit(self, *work, **named) -> Future:
        try:
            with _deaf_children():
                return super().submit(*work, **named)
        except OSError as error:
            self.kill()
            raise BrokenProcessPool(f"a worker process died as it was started: {error}") from error

    def kill(self) -> None:
        """End the workers at once, whatever they are at."""
        for process in list((self._processes or {}).values()):
            process.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As ever; of a broken pool it ends every worker. The library ends those that it knows of as it notices, then
        waits for all: one that was started between the two would wait for work, and the program for it, for good."""
        if self._broken:
            self.kill()
        super().shutdown(wait, cancel_futures=cancel_futures)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Ctrl-C goes to the whole group, and what becomes of workers their parent decides. One that is started here never
    hears of it, not even in the seconds before it runs a line of ours, when it would have a traceback to show."""
    resource_tracker.ensure_running()  # started in between, it would let the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # which a child inherits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
    torch.set_num_threads(1)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
