"""From a question to an answer: the steps that fit into the time, then files, their tests and times, and a page."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import cached_property
from pathlib import Path
from typing import get_args

from tsprune.batch.compress.choice import FEW, OVER, SPARSE_RUN, Answer, best_dense, busy, choose, files_table, verdicts
from tsprune.batch.compress.page import write_page
from tsprune.batch.compress.place import PAGE_FILE, check_place, make_way
from tsprune.batch.compress.question import Question
from tsprune.batch.compress.ways import MASKED, Way, ways
from tsprune.batch.preflight import need_folder, try_folder
from tsprune.engine.grid import NOT_RUN
from tsprune.engine.progress import Progress
from tsprune.engine.step import Step
from tsprune.errors import UserError
from tsprune.places import resolve
from tsprune.steps.artifacts import MODEL_FILE
from tsprune.steps.compare import block_length
from tsprune.steps.kept import save_model
from tsprune.steps.serve import CARD_FILE, ONNX_FILE, ServedLatencyStep, ServeStep, Weights
from tsprune.study.base.cells import Cells, with_needs
from tsprune.study.base.preflight import check
from tsprune.study.base.protocol import data_lines
from tsprune.whole import write_whole

SHARE = 0.7
"""The share of the time given after which no further training is begun: the rest is for trainings still running, for
files and for timing."""


def compress(question: Question, folder: Path, *, progress: Progress | None = None) -> Answer:
    """Answer ``question``; into ``folder``, which is made once nothing is wrong with the question, go the page, the
    recommended file and its model card; where a masked model is to run without its zeros, its checkpoint too. What
    answers another question there is kept under other names, and a line says so.

    Raises :class:`UserError` before anything runs for a folder that cannot be written to, and as
    :meth:`Compressing.run`.
    """
    run = Compressing(question)
    run.check()
    need_folder(folder, "--output")
    if folder.is_dir():
        check_place(folder, question)
    try_folder(folder, "--output")
    found = run.run(progress=progress)
    step = found.steps[found.chosen]
    if told := make_way(folder, question):
        print(told, flush=True)
    for name in (ONNX_FILE, CARD_FILE):
        write_whole(folder / name, run.store.artifact(step.key, name).read_bytes())
    if found.row["weights"] == SPARSE_RUN:
        save_model(run.store, step.of.key, folder / MODEL_FILE)
    write_page(found, folder / PAGE_FILE)
    return found


class Compressing(Cells[Question, Answer]):
    """``Compressing(question).run()``: trainings until the time is over, then each model's file, tested and timed."""

    @cached_property
    def ways(self) -> list[Way]:
        return ways(self.config, self.base.specs[0])

    def plan(self) -> tuple[Step, ...]:
        return (*self.base.naive, *self.steps())

    def steps(self) -> Iterable[Step]:
        return (way.step for way in self.ways)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each step stands in the order of trying; one that several need, at the first of them."""
        places: dict[str, int] = {}
        for place, way in enumerate(self.ways):
            for step in with_needs([way.step]):
                places.setdefault(step.key, place)
        return places

    def _wave(self, step: Step) -> int:
        return self._places.get(step.key, 0)  # files: as given

    def check(self) -> None:
        """Raises :class:`UserError` as :meth:`Cells.run` before anything runs, and for a store that cannot be written
        to; makes nothing."""
        check(self.config, self.tables)
        need_folder(resolve(self.config.store), "--store")

    def run(self, *, make_executor: Callable[[], Executor] | None = None, progress: Progress | None = None) -> Answer:
        """Raises :class:`UserError` before anything runs as :meth:`check`, and where not even the dense model came to a
        result."""
        began, budget = time.monotonic(), 3600 * self.config.budget_hours
        self.check()
        try_folder(resolve(self.config.store), "--store")
        how = {"make_executor": make_executor, "progress": progress}
        self.rows = self.compute(self.plan(), **how, deadline=began + SHARE * budget)
        dense = self.ways[0].step
        if self.rows[dense.key]["status"] == NOT_RUN:  # even if the time is up: without it there is no answer at all
            self.rows |= self.compute([dense], **how)
        self._need(dense, "has no result, so there is nothing to compress")
        # What was trained to cost less becomes a file whatever the time: else it was trained for nothing.
        trained = [way.step for way in self.ways if way.kind not in MASKED and self.ok(way.step)]
        self.rows |= self.compute([ServeStep(of=step) for step in trained], **how)
        self._need(ServeStep(of=dense), "cannot be exported, so nothing can be compared")
        # int8 first: models with zeros, whose float32 files are left, are no smaller for one.
        for weights in reversed(get_args(Weights)):
            self.rows |= self.compute(self.files(weights), **how, deadline=began + budget)
        timed = self.timed
        self.rows |= self.compute([timed], **how)
        self.seconds = time.monotonic() - began
        found = self.gather()
        if found.busy:
            self.store.discard(timed.key)  # measured anew by the next run: the machine may be quiet then
        return found

    def _need(self, step: Step, what: str) -> None:
        if not self.ok(step):
            raise UserError(f"the dense model {what}: {self.rows[step.key]['reason']}")

    def files(self, weights: Weights) -> list[ServeStep]:
        """The files of the models that there are, the dense one's first, those that can cost less before the others. In
        int8 only of the dense model and of those that can cost less and lose no more than is accepted in float32."""
        done = sorted((way for way in self.ways if self.ok(way.step)), key=lambda way: way.kind in MASKED)
        if weights == "int8":
            kept = [way for way in done[1:] if way.kind not in MASKED and self._keeps(way)]
            done = [*done[:1], *kept]
        return [ServeStep(of=way.step, weights=weights) for way in done]

    def _keeps(self, way: Way) -> bool:
        """Whether its float32 file is there and loses no more on the validation windows than is accepted."""
        dense, file = (self.rows[ServeStep(of=each.step).key] for each in (self.ways[0], way))
        most = dense["result"]["val_mse"] * (1 + self.config.max_loss)
        return file["status"] == "ok" and file["result"]["val_mse"] <= most

    @property
    def served(self) -> list[ServeStep]:
        return [*self.files("float32"), *self.files("int8")]

    @property
    def timed(self) -> ServedLatencyStep:
        """What times all files that came out, and the masked models that lose no more than is accepted without their
        zeros."""
        files = tuple(step for step in self.served if self.ok(step))
        masked = tuple(way.step for way in self.ways if way.kind in MASKED and self.ok(way.step) and self._keeps(way))
        return ServedLatencyStep(of=files, masked=masked, threads=self.config.timed_threads)

    def gather(self) -> Answer:
        """Read the rows, of which the dense model's file at least has a result."""
        ok = [step for step in self.served if self.ok(step)]
        by_step = {way.step.key: way for way in self.ways}
        timed = self.rows[self.timed.key]["detail"]
        times = timed.get("latency", [])
        results = [(by_step[step.of.key], step, self.rows[step.key]["result"]) for step in ok]
        files = files_table(results, times, timed.get("sparse", {}))
        baseline = best_dense(files, given=self.config.checkpoint is not None)
        # A model without its zeros forecasts what its file forecasts.
        made = [next(step for step in ok if step.key == key) for key in files["file"]]
        files["val_loss"] = files["val_mse"] / files.loc[baseline, "val_mse"] - 1
        differences = [self.compare([step], [ok[baseline]]) for step in made]
        for column, name in (("test_loss", "relative"), ("low", "low"), ("high", "high")):
            files[column] = [getattr(difference, name) for difference in differences]
        if differences[0].windows < FEW * block_length(ok[baseline].protocol()):
            files.loc[files.index != baseline, ["low", "high"]] = None
        files["verdict"] = verdicts(files, self.config.max_loss)
        return Answer(
            question=self.config,
            dataset=self.base.table.name,
            files=files,
            chosen=choose(files, self.config.goal, self.config.max_loss, baseline),
            baseline=baseline,
            naive=self.frame(self.base.naive),
            untried=self._untried(),
            steps=made,
            busy=busy(times),
            protocol=data_lines(self.base.table, self.config),
            notes=self.data_notes(),
            seconds=self.seconds,
        )

    def _untried(self) -> dict[str, str]:
        """Ways and files without a result by name, and why."""
        by_step = {way.step.key: way for way in self.ways}
        without = {way.name: way.step for way in self.ways}
        without |= {f"{by_step[step.of.key].name}, as a file in {step.weights}": step for step in self.served}
        return {name: _why(self.rows[step.key]) for name, step in without.items() if not self.ok(step)}


def _why(row: dict) -> str:
    return OVER if row["status"] == NOT_RUN else f"{row['status']}: {row['reason']}"
