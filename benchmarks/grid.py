"""The grid's own time per step: what it takes to look steps up, order them, and hand them out, apart from their work.

``python benchmarks/grid.py``: a study of 1,000 and of 5,000 steps (a dense training, and pruned cells that wait for
it, by dozens), computed by an executor that does nothing, then looked up in a store that has them all.
``--workers processes`` or ``dask``: two workers of this machine instead, which store the rows of steps that do nothing.
"""

import argparse
import tempfile
import time
from concurrent.futures import Executor, Future
from typing import ClassVar

from tsprune.engine.cluster import dask_workers
from tsprune.engine.executors import local_processes
from tsprune.engine.grid import run_grid
from tsprune.engine.progress import Progress
from tsprune.engine.step import Outcome, Step
from tsprune.engine.store import Store


class Numbered(Step):
    """Stands for any step; its identity is about as large as a training's."""

    kind: ClassVar[str] = "numbered"
    number: int
    after: tuple["Numbered", ...] = ()

    def identity(self) -> dict:
        return {"step": self.kind, "number": self.number, "after": [s.key for s in self.after], "more": "x" * 800}

    @property
    def needs(self) -> tuple[Step, ...]:
        return self.after

    @property
    def label(self) -> str:
        return f"step {self.number}"

    def protocol(self) -> dict:
        return {"number": self.number}

    def run(self, store: Store) -> Outcome:
        return Outcome({}, {}, {})


class Idle(Executor):
    """Finishes every step at once, with a row of its shape."""

    def submit(self, work, step, *rest) -> Future:
        future = Future()
        future.set_result(row(step))
        return future


def row(step: Step) -> dict:
    parts = {"result": {"mse": 0.5}, "detail": {}, "cost": {"seconds": 0.0}}
    return {"kind": step.kind, "key": step.key, "status": "ok", "reason": None, "protocol": step.protocol()} | parts


def study(count: int) -> list[Step]:
    steps: list[Step] = []
    for number in range(count):
        dense = number - number % 12
        steps.append(Numbered(number=number, after=() if number == dense else (steps[dense],)))
    return steps


WORKERS = {"none": Idle, "processes": local_processes(2), "dask": dask_workers(None, 2, {})}


class Timed(Progress):
    """Knows when the first step ended: starting workers is no work."""

    def end(self, step: Step, row: dict) -> str:
        if self.total - len(self._known) == self.done:
            self.begun = time.perf_counter()
        return super().end(step, row)


def main(counts: list[int], workers: str) -> None:
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            store, progress = Store(folder), Timed(2)
            begun = time.perf_counter()
            run_grid(study(count), store, make_executor=WORKERS[workers], jobs=2, progress=progress)
            computed = time.perf_counter() - (begun if workers == "none" else progress.begun)
            if workers == "none":
                for step in study(count):
                    store.put(step.identity(), row(step))
            begun = time.perf_counter()
            run_grid(study(count), store, make_executor=Idle, jobs=2, progress=Progress(2))
            found = time.perf_counter() - begun
        print(
            f"{count} steps: {1e3 * computed / count:.3f} ms per step handed out, {1e3 * found / count:.3f} looked up"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--workers", choices=WORKERS, default="none")
    asked = parser.parse_args()
    main(asked.steps, asked.workers)
