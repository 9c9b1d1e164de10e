"""Run the steps that are missing, each once, on any executor; a step that fails becomes a row and the rest goes on."""

import errno
import heapq
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from graphlib import TopologicalSorter
from itertools import chain
from types import MappingProxyType
from typing import Any

from tsprune.engine.durations import Durations, stored_rows
from tsprune.engine.execute import RECIPE_FILE, execute, failure
from tsprune.engine.executors import Lost, WorkerDied
from tsprune.engine.partial import sweep_states
from tsprune.engine.progress import Progress
from tsprune.engine.step import FINAL, NOT_RUN, NOT_YET, Step
from tsprune.engine.store import Corrupt, Store
from tsprune.errors import Stopped
from tsprune.typed import canonical_json

_STARTS = 3
"""Times that workers are started for a step, before it counts as failed."""

_LOOK_AGAIN = 5.0
"""Seconds after which an executor whose workers come and go is asked anew how many it has."""


def run_grid(
    steps: Sequence[Step],
    store: Store,
    *,
    make_executor: Callable[[], Executor],
    jobs: int,
    progress: Progress,
    keeps: Callable[[Step], bool] = lambda step: True,
    fetch: Callable[[str], bool] = lambda key: False,
    wave: Callable[[Step], int] = lambda step: 0,
    deadline: float | None = None,
    lengths: Mapping[str, int] = MappingProxyType({}),
    past: Callable[[], Iterable[dict]] = lambda: (),
) -> dict[str, dict]:
    """Rows of ``steps`` by key, from the store where it has them, else computed. ``fetch`` may put a row that the store
    lacks into it, from an archive, and says whether it did. Steps of a lower ``wave`` go first; none is begun after
    ``deadline`` (of ``time.monotonic``), nor once the store's disk is full, where it would be computed in vain: steps
    left without a row get the row ``not run``, which is not stored.

    ``jobs`` steps at most are in flight on the executor that ``make_executor`` gives, and not more than its ``slots()``
    where it has such (0 ``jobs``: as many as these); it is called again when the executor breaks (a worker process
    died, a scheduler is gone). A step that was lost with its worker is run again; the third time it is a failed row.
    Steps that a missing step needs are run first, each once. ``keeps`` says whose models are stored; one that another
    step of this run reads is stored in any case. ``lengths``, time steps of datasets by name, and ``past``, rows of
    other stores, help to estimate the time that is left. Ctrl-C raises :class:`Stopped` with a line that says how much
    is kept.
    """
    store.sweep()
    sweep_states(store)
    found = _Found(store, progress, fetch)
    by_key = {step.key: step for step in steps}
    for step in by_key.values():
        found.look_up(step)
    todo = _missing(by_key.values(), found)
    every = by_key | todo
    known = Durations(chain(stored_rows(store), past()), lengths) if todo else Durations(())
    progress.start(len(every), len(every.keys() - todo.keys()), list(todo.values()), known.seconds)
    for step in every.values():
        if step.keepsake and found.rows.get(step.key, {}).get("status") == "ok":
            _describe(step, store)
    if todo:
        done = _Run(store, make_executor, jobs, progress, keeps, wave, deadline).all(todo, found.rows)
        # Numbers without a model stay what they are where there was no time to make the model.
        found.rows = done | {key: row for key, row in found.rows.items() if done[key]["status"] == NOT_RUN}
    progress.finish()
    return {key: found.rows[key] for key in by_key}


class _Found:
    """What the store has of the steps of one run, each looked up once. Damaged entries are named and removed, failed
    ones are removed to be tried again."""

    def __init__(self, store: Store, progress: Progress, fetch: Callable[[str], bool]):
        self.store, self.progress, self.fetch = store, progress, fetch
        self.rows: dict[str, dict] = {}
        self._seen: set[str] = set()

    def look_up(self, step: Step) -> bool:
        """Whether the step has a finished row, which is now in ``rows``."""
        if step.key in self._seen:
            return step.key in self.rows
        self._seen.add(step.key)
        try:
            row = _twice(lambda: self._row(step))
            if row is None and self.fetch(step.key):
                row = self._row(step)
        except Corrupt as damage:
            self._damaged(step, damage)
            return False
        if row is None:
            return False
        if row["status"] not in FINAL:
            self.store.discard(step.key)
            return False
        self.rows[step.key] = row
        return True

    def can_be_loaded(self, step: Step) -> bool:
        """Whether the model of a step that has a row is there, unharmed. Numbers without a model stay in ``rows``."""
        try:
            _twice(lambda: self.store.verify(step.key))
            return self.rows[step.key]["status"] != "ok" or self.store.has(step.key, step.keepsake)
        except Corrupt as damage:
            self._damaged(step, damage)
            del self.rows[step.key]
            return False

    def _row(self, step: Step) -> dict | None:
        row = self.store.row(step.key)
        if row is not None:  # a model is large, and is checked when a step needs it
            self.store.verify(step.key, but=step.keepsake)
        return row

    def _damaged(self, step: Step, damage: Corrupt) -> None:
        self.progress.say(f"damaged in the store, will be computed again: {damage}")
        self.store.discard(step.key)


def _twice(look: Callable[[], Any]) -> Any:
    """What ``look`` sees, at its second try where the first finds damage: another study that saw it before may have
    put a sound entry there between one file and the next."""
    try:
        return look()
    except Corrupt:
        return look()


def _missing(steps: Iterable[Step], found: _Found) -> dict[str, Step]:
    """Steps to run, by key, those that others need first: those without a row, and those with a row whose model is
    not there when a step that must run reads it."""
    todo: dict[str, Step] = {}
    loadable: dict[str, bool] = {}

    def visit(step: Step, for_its_model: bool = False) -> None:
        if step.key in todo:
            return
        if found.look_up(step):
            if not for_its_model:
                return
            if step.key not in loadable:
                loadable[step.key] = found.can_be_loaded(step)
            if loadable[step.key]:
                return
        for need in step.needs:
            visit(need)
            for read in need.reads:
                visit(read, for_its_model=True)
        todo[step.key] = step

    for step in steps:
        visit(step)
    return todo


def _describe(step: Step, store: Store) -> None:
    """Add the recipe to an entry that was stored before there were recipes, so that its model can be asked for."""
    with suppress(Corrupt):  # it was sound a moment ago: another study has just removed it
        store.add(step.key, RECIPE_FILE, lambda path: path.write_text(canonical_json(step.recipe())))


def _chains(todo: dict[str, Step]) -> dict[str, int]:
    """How long the longest chain of steps is that waits for each."""
    chain = dict.fromkeys(todo, 0)
    for key, step in reversed(todo.items()):  # a step comes after the steps that it needs
        for need in _waits_for(step, todo):
            chain[need] = max(chain[need], chain[key] + 1)
    return chain


def _waits_for(step: Step, todo: dict[str, Step]) -> set[str]:
    """Keys of the steps to run that must be done before ``step``."""
    keys = {other.key for need in step.needs for other in (need, *need.reads)}
    return {key for key in keys if key in todo and key != step.key}


def _disk_is_full(error: Exception) -> bool:
    """By the error's number; safetensors raises an error of its own without one, whose text tells."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


class _Run:
    """State of one run: what waits, what is in flight, what is done."""

    def __init__(
        self,
        store: Store,
        make_executor: Callable[[], Executor],
        jobs: int,
        progress: Progress,
        keeps: Callable[[Step], bool],
        wave: Callable[[Step], int],
        deadline: float | None,
    ):
        self.store, self.make_executor, self.jobs, self.progress = store, make_executor, jobs, progress
        self.keeps, self.wave, self.deadline = keeps, wave, deadline
        self.executor = make_executor()
        self.full = False
        """Whether the disk took no more."""
        self.flying: dict[Future, Step] = {}
        # Steps that were in flight when a worker died: run one at a time, so that the guilty one is known.
        self.suspects: list[Step] = []
        self.deaths: Counter[str] = Counter()
        """How often each step was lost, with its worker or its scheduler."""
        # Lines about finished steps, shown when the freed places are taken again.
        self.news: list[str] = []

    def all(self, todo: dict[str, Step], rows: dict[str, dict]) -> dict[str, dict]:
        self.todo, self.done = todo, dict(rows)
        waits = {key: _waits_for(step, todo) for key, step in todo.items()}
        self.needed = {key for keys in waits.values() for key in keys}
        self.order = TopologicalSorter(waits)
        self.order.prepare()
        chain, place = _chains(todo), {key: i for i, key in enumerate(todo)}
        # What whole chains of steps wait for goes before steps that nobody needs, so that small ones are left to keep
        # all workers busy to the end. Else as given.
        self.rank = {key: (self.wave(step), -chain[key], place[key]) for key, step in todo.items()}
        self.ready: dict[bool, list] = defaultdict(list)  # by whether they must run alone; heaps
        try:
            while self.order.is_active():
                self._take()
                self._submit()
                self._tell()
                for future in self._ended():
                    self._collect(future)
            self._tell()
        except (KeyboardInterrupt, SystemExit) as end:
            if kill := getattr(self.executor, "kill", None):  # otherwise the running steps would be waited for
                kill()
            kept = self.progress.stop()
            raise Stopped(kept) if isinstance(end, KeyboardInterrupt) else end from None
        finally:
            self.executor.shutdown(wait=True, cancel_futures=True)
        return self.done

    def _ended(self) -> Iterable[Future]:
        if not self.flying:
            return ()
        more = self.ready[False] and hasattr(self.executor, "slots")  # which may come while all that fly go on
        return wait(self.flying, _LOOK_AGAIN if more else None, FIRST_COMPLETED).done

    def _room(self) -> int:
        """Steps that may be in flight; one at least, which waits for the first worker."""
        if not hasattr(self.executor, "slots"):
            return self.jobs
        self.progress.jobs = max(1, min(self.jobs or self.executor.slots(), self.executor.slots()))
        return self.progress.jobs

    def _take(self) -> None:
        """Steps whose needs are done become ready. One whose need has no result cannot run: that is a row too, but not
        one to store."""
        while keys := self.order.get_ready():
            for key in keys:
                step = self.todo[key]
                if lost := self._lost_need(step):
                    self._finish(step, failure(step, *lost))
                else:
                    heapq.heappush(self.ready[step.alone], (self.rank[key], key))

    def _lost_need(self, step: Step) -> tuple[str, str] | None:
        """Why the step has no result, and its status."""
        for need in step.needs:
            for other in (need, *need.reads):
                row = self.done.get(other.key)
                if row is not None and row["status"] != "ok":
                    if row["status"] == NOT_RUN:
                        return row["reason"], NOT_RUN
                    return f"needs {other.label}, which {row['status']}: {row['reason']}", "failed"
        return None

    def _submit(self) -> None:
        if self.full or (self.deadline is not None and time.monotonic() >= self.deadline):
            over = [*self.suspects, *(self.todo[key] for ready in self.ready.values() for _, key in ready)]
            self.suspects.clear()
            self.ready.clear()
            why = f"the disk of {self.store.root} is full" if self.full else NOT_YET
            for step in over:
                self._finish(step, failure(step, why, NOT_RUN))
            return
        if self.suspects:
            if not self.flying:
                self._fly(self.suspects.pop(0), alone=True)
            return
        room = self._room()
        while self.ready[False] and len(self.flying) < room:
            self._fly(self.todo[heapq.heappop(self.ready[False])[1]])
        if not self.flying and self.ready[True]:  # it measures time, and now has the machine to itself
            self._fly(self.todo[heapq.heappop(self.ready[True])[1]])

    def _fly(self, step: Step, alone: bool = False) -> None:
        self.progress.begin(step)
        work = execute, step, str(self.store.root), step.key in self.needed or self.keeps(step)
        for attempt in range(_STARTS):
            try:
                future = self.executor.submit(*work)
                break
            except BrokenExecutor as error:  # a worker died since the last step, or while it was being started
                self._renew()
                if attempt == _STARTS - 1:
                    self._finish(step, failure(step, f"no worker process could be started ({error})"))
                    return
        future.alone, future.of = alone, self.executor
        self.flying[future] = step

    def _collect(self, future: Future) -> None:
        step = self.flying.pop(future)
        try:
            row = future.result()
        except WorkerDied as error:
            if self._again(step, str(error)):
                return
            row = failure(step, f"its worker died {_STARTS} times ({error}); out of memory?")
        except Lost as error:
            if future.of is self.executor:  # the first of those that were lost together
                self._renew()
            if self._again(step, str(error)):
                return
            row = failure(step, f"{error}, {_STARTS} times")
        except BrokenExecutor as error:
            if not future.alone:
                self.progress.say(f"a worker process died while {step.label} was running; it is run again, alone")
                self.suspects.append(step)
                return
            self._renew()
            row = failure(step, f"its worker process died ({error}); out of memory?")
        except Exception as error:  # the step ran but its row could not be stored or sent back (a full disk, say)
            row = failure(step, " ".join(f"{type(error).__name__}: {error}".split()))
            if _disk_is_full(error) and not self.full:
                self.full = True
                self.progress.say(
                    f"the disk of {self.store.root} is full: no further step is begun; make room, run again"
                )
        self._finish(step, row)

    def _again(self, step: Step, why: str) -> bool:
        """Whether the step, which was lost, is run again."""
        self.deaths[step.key] += 1
        if self.deaths[step.key] == _STARTS:
            return False
        self.progress.say(f"{step.label}: {why}; it is run again ({self.deaths[step.key]} of {_STARTS} times lost)")
        heapq.heappush(self.ready[step.alone], (self.rank[step.key], step.key))
        return True

    def _finish(self, step: Step, row: dict) -> None:
        self.done[step.key] = row
        self.order.done(step.key)
        line = self.progress.end(step, row)
        if row["status"] != NOT_RUN:  # they may be thousands: the last line counts them
            self.news.append(line)

    def _tell(self) -> None:
        for line in self.news:
            self.progress.show(line)
        self.news.clear()

    def _renew(self) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self.make_executor()
