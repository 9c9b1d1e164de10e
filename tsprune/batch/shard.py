"""A part of a profile's steps, for one of several jobs on one store: without a scheduler, and without pages."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from tsprune.batch.profiles import NotebookRun
from tsprune.batch.stop import leave, undone_by_stop
from tsprune.engine.progress import LineProgress, Progress
from tsprune.engine.step import Step
from tsprune.errors import UserError
from tsprune.study.base.cells import Cells
from tsprune.study.registry import STUDIES


@dataclass(frozen=True)
class Shard:
    """The ``number``-th of ``of`` parts, from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise UserError(f"--shard {text}: expected I/N, the I-th of N parts, such as 1/8 to 8/8")
        return cls(int(found[1]), int(found[2]))

    def holds(self, step: Step) -> bool:
        """Whether the step belongs to this part: everything that goes back to one training is in the part of that
        training, so that no two jobs train the same model."""
        return int(_root(step).key, 16) % self.of == self.number - 1

    def steps(self, cells: Cells) -> list[Step]:
        """The steps of this part, of those that a study can name before any has run."""
        return [step for step in (*cells.plan(), *cells.beside()) if self.holds(step)]


def _root(step: Step) -> Step:
    while step.needs:
        step = step.needs[0]
    return step


def run_shard(
    runs: Sequence[NotebookRun],
    shard: Shard,
    *,
    make_executor: Callable[[], Executor] | None = None,
    progress: Progress | None = None,
) -> int:
    """Run this part of the steps of all runs that can be named before any has run; how many are without a result.

    When every part is through, the same command without a shard finds their rows in the store, runs what depends on
    them, and makes the pages.
    """
    lost = 0
    for run in runs:
        study = STUDIES[run.name]
        cells = study.cells(study.config.parse(run.parameters))
        mine = shard.steps(cells)
        print(f"== {run.name}: {len(mine)} steps are part {shard.number} of {shard.of} ==", flush=True)
        if mine:
            told = progress or LineProgress(cells.jobs)
            with undone_by_stop(leave):
                rows = cells.compute(mine, make_executor=make_executor, progress=told)
            lost += sum(row["status"] not in ("ok", "broken") for row in rows.values())
    return lost
