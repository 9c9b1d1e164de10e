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
    """Raised by a future whose worker is gone, while other workers go on."""


class Lost(Exception):
    """Raised by a future when nobody knows any more what becomes of its step; the executor is of no further use."""


def local_processes(jobs: int) -> Callable[[], Executor]:
    """A maker of process pools with ``jobs`` workers. Fresh interpreters (spawn): torch does not survive a fork."""

    def make() -> Executor:
        context = multiprocessing.get_context("spawn")
        return _Pool(jobs, mp_context=context, initializer=_start_worker)

    return make


class _Pool(ProcessPoolExecutor):
    """Counts as broken also when a worker is killed while it starts. The standard library's pool then raises the broken
    pipe's OSError and leaves the other workers waiting."""

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
        """As ever, but a broken pool loses every worker. The library ends those that it knows of when it notices, then
        waits for all: one that was started in between would wait for work for ever, and the program for it."""
        if self._broken:
            self.kill()
        super().shutdown(wait, cancel_futures=cancel_futures)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Workers that are started inside the block never see Ctrl-C, which goes to the whole group: their parent decides
    when they end. They would show a traceback even in the seconds before they run a line of ours."""
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
