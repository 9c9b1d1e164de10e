"""Workers that stay from one grid to the next: to start one and load what it computes with takes seconds of a core."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Self


class Kept:
    """``with Kept(make) as maker``: a maker of executors as grids ask for one, whose executor outlives the grid and
    serves the next. It ends with the block, at once where an exception ends that. Nothing is made before a grid asks.
    """

    def __init__(self, make: Callable[[], Executor]):
        self._make = make
        self._lent: _Lent | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._lent is not None:
            self._lent.end(at_once=kind is not None)

    def __call__(self) -> Executor:
        if self._lent is None or self._lent.given_up:
            self._lent = _Lent(self._make())
        return self._lent


class _Lent(Executor):
    """Everything of ``executor`` but its end: a grid waits for it when all steps are done, and does not wait when it
    gives it up because it broke."""

    def __init__(self, executor: Executor):
        self._executor = executor
        self.given_up = False

    def __getattr__(self, name: str) -> Any:  # what only some have: how many steps fit, how to kill them
        return getattr(self._executor, name)

    def submit(self, *work, **named) -> Future:
        return self._executor.submit(*work, **named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if not wait:
            self.given_up = True
            self._executor.shutdown(wait=False, cancel_futures=cancel_futures)

    def end(self, at_once: bool) -> None:
        if at_once and (kill := getattr(self._executor, "kill", None)):  # else the running steps would be waited for
            kill()
        self._executor.shutdown(wait=True, cancel_futures=True)
