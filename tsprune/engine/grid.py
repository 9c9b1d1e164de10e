"""Run the steps that are missing, each once, on any executor; a step that fails becomes a row and the rest goes on."""

import math
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait

from tsprune import measure
from tsprune.engine.progress import Progress
from tsprune.engine.step import MODEL_FILE, Step
from tsprune.engine.store import Corrupt, Store
from tsprune.errors import UserError

# Rows with these states are results: they are not computed again. A failed step is tried again by the next run.
FINAL = ("ok", "diverged", "broken")


def run_grid(
    steps: Sequence[Step],
    store: Store,
    *,
    make_executor: Callable[[], Executor],
    jobs: int,
    progress: Progress,
) -> dict[str, dict]:
    """Rows of ``steps`` by key, from the store where it has them, else computed.

    ``jobs`` steps at most are in flight on the executor that ``make_executor`` gives; it is called again when the
    executor breaks (a worker process died). Steps that a missing step needs are run first, each once.
    """
    store.sweep()
    rows = {step.key: row for step in steps if (row := _stored(step, store, progress)) is not None}
    todo = _missing(steps, rows, store, progress)
    progress.start(total=len({s.key for s in steps} | set(todo)), from_store=len(rows), waiting=list(todo.values()))
    if todo:
        rows |= _Run(store, make_executor, jobs, progress).all(todo, rows)
    progress.finish()
    return {step.key: rows[step.key] for step in steps}


def execute(step: Step, root: str) -> dict:
    """Run one step in this process and store what it came to, a failure too; returns the row."""
    store, started = Store(root), time.perf_counter()
    config, protocol = step.identity(), step.protocol()
    try:
        outcome = step.run(store)
    except Exception as error:  # any failure of a cell is a row: recorded with its traceback, and the study goes on
        reason = str(error) if isinstance(error, UserError | Corrupt) else f"{type(error).__name__}: {error}"
        status = "out of memory" if measure.out_of_memory(error) else "failed"
        trace = traceback.format_exc()
        row = failure(step, reason.splitlines()[0] if reason else type(error).__name__, status)
        store.put(config, row, lambda folder: (folder / "traceback.txt").write_text(trace))
        return row
    row = {
        "kind": step.kind,
        "key": step.key,
        "status": outcome.status,
        "reason": outcome.reason,
        "protocol": protocol,
        "result": _finite(outcome.result),
        "detail": _finite(outcome.detail),
        "cost": _finite(outcome.cost | {"seconds": time.perf_counter() - started}),
    }
    store.put(config, row, outcome.write)
    return row


def _finite(value):
    """JSON has no NaN and no infinity: a number that is not finite is stored as null (the status says why)."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def failure(step: Step, reason: str, status: str = "failed") -> dict:
    """The row of a step that has no numbers."""
    return {
        "kind": step.kind,
        "key": step.key,
        "status": status,
        "reason": reason,
        "protocol": step.protocol(),
        "result": {},
        "detail": {},
        "cost": {},
    }


def _stored(step: Step, store: Store, progress: Progress) -> dict | None:
    """The finished row of ``step``. Damaged entries are named and removed; failed ones are removed to be retried."""
    try:
        row = store.row(step.key)
        if row is not None:
            store.verify(step.key, but=MODEL_FILE)  # a model is large, and is checked when a step needs it
    except Corrupt as damage:
        progress.say(f"damaged in the store, will be computed again: {damage}")
        store.discard(step.key)
        return None
    if row is not None and row["status"] not in FINAL:
        store.discard(step.key)
        return None
    return row


def _missing(steps: Iterable[Step], rows: dict, store: Store, progress: Progress) -> dict[str, Step]:
    """Steps to run, those that others need first. What a missing step needs is checked down to its artifacts."""
    todo: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.key in rows or step.key in todo:
            return
        for need in step.needs:
            if need.key not in todo and _stored(need, store, progress) is not None:
                try:
                    store.verify(need.key)
                except Corrupt as damage:
                    progress.say(f"damaged in the store, will be computed again: {damage}")
                    store.discard(need.key)
                    rows.pop(need.key, None)
                else:
                    rows.setdefault(need.key, store.row(need.key))
            visit(need)
        todo[step.key] = step

    for step in steps:
        visit(step)
    return todo


def _longest_chains_first(todo: dict[str, Step]) -> dict[str, Step]:
    """The order to start in: trainings that whole chains of steps wait for go before steps that nobody needs, so that
    small ones are left to keep all workers busy to the end. Else as given."""
    chain = dict.fromkeys(todo, 0)
    for key, step in reversed(todo.items()):  # needs stand before the steps that need them
        for need in step.needs:
            if need.key in chain:
                chain[need.key] = max(chain[need.key], chain[key] + 1)
    return {key: todo[key] for key in sorted(todo, key=chain.get, reverse=True)}


class _Run:
    """State of one run: what waits, what is in flight, what is done."""

    def __init__(self, store: Store, make_executor: Callable[[], Executor], jobs: int, progress: Progress):
        self.store, self.make_executor, self.jobs, self.progress = store, make_executor, jobs, progress
        self.executor = make_executor()
        self.flying: dict[Future, Step] = {}
        # Steps that were in flight when a worker died: run one at a time, so that the guilty one is known.
        self.suspects: list[Step] = []
        # Lines about finished steps, shown when the freed places are taken again.
        self.news: list[str] = []

    def all(self, todo: dict[str, Step], rows: dict[str, dict]) -> dict[str, dict]:
        waiting, done = _longest_chains_first(todo), dict(rows)
        try:
            while waiting or self.flying or self.suspects:
                self._refuse_orphans(waiting, done)
                self._submit(waiting, done)
                self._tell()
                for future in wait(self.flying, return_when=FIRST_COMPLETED).done if self.flying else ():
                    self._collect(future, done)
            self._tell()
        finally:
            self.executor.shutdown(wait=True, cancel_futures=True)
        return done

    def _submit(self, waiting: dict[str, Step], done: dict[str, dict]) -> None:
        if self.suspects:
            if not self.flying:
                self._fly(self.suspects.pop(0), alone=True)
            return
        ready = [s for s in waiting.values() if all(need.key in done for need in s.needs)]
        together = [step for step in ready if not step.alone]
        if not together and not self.flying:
            together = ready[:1]  # one that measures time, and now has the machine to itself
        for step in together[: self.jobs - len(self.flying)]:
            del waiting[step.key]
            self._fly(step)

    def _fly(self, step: Step, alone: bool = False) -> None:
        self.progress.begin(step)
        try:
            future = self.executor.submit(execute, step, str(self.store.root))
        except BrokenExecutor:
            self._renew()
            future = self.executor.submit(execute, step, str(self.store.root))
        future.alone = alone
        self.flying[future] = step

    def _collect(self, future: Future, done: dict[str, dict]) -> None:
        step = self.flying.pop(future)
        try:
            row = future.result()
        except BrokenExecutor as error:
            if not future.alone:
                self.progress.say(f"a worker process died while {step.label} was in flight; it is run again, alone")
                self.suspects.append(step)
                return
            self._renew()
            row = failure(step, f"its worker process died ({error}); out of memory?")
        except Exception as error:  # the step ran but its row could not be stored or sent back (a full disk, say)
            row = failure(step, f"{type(error).__name__}: {error}")
        done[step.key] = row
        self.news.append(self.progress.end(step, row))

    def _tell(self) -> None:
        for line in self.news:
            self.progress.show(line)
        self.news.clear()

    def _renew(self) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self.make_executor()

    def _refuse_orphans(self, waiting: dict[str, Step], done: dict[str, dict]) -> None:
        """A step whose need has no result cannot run: that is a row too, but not one to store."""
        for step in list(waiting.values()):
            for need in step.needs:
                if need.key in done and done[need.key]["status"] != "ok":
                    bad = done[need.key]
                    done[step.key] = failure(step, f"needs {need.label}, which {bad['status']}: {bad['reason']}")
                    del waiting[step.key]
                    self.news.append(self.progress.end(step, done[step.key]))
                    break
