"""From a question to an answer: the steps that fit into the time, then files, their tests and times, and a page."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import get_args

import pandas as pd

from tsprune.batch.compress.choice import (
    MEAN,
    OVER,
    SPARSE_RUN,
    Answer,
    best_dense,
    busy,
    choose,
    files_table,
    verdicts,
)
from tsprune.batch.compress.page import write_page
from tsprune.batch.compress.place import PAGE_FILE, check_place, make_way
from tsprune.batch.compress.question import Question, command, in_options
from tsprune.batch.compress.ways import DENSE, LONGER, MASKED, SMALLER, Way, ways
from tsprune.batch.compress.words import on_card
from tsprune.batch.preflight import need_folder, try_folder
from tsprune.batch.stop import leave, undone_by_stop
from tsprune.data import Windows
from tsprune.engine.execute import failure
from tsprune.engine.kept_workers import Kept
from tsprune.engine.progress import Progress
from tsprune.engine.step import NOT_RUN, NOT_YET, Step
from tsprune.errors import UserError
from tsprune.places import locate
from tsprune.report.text import NAIVE
from tsprune.steps.artifacts import MODEL_FILE
from tsprune.steps.compare import block_length
from tsprune.steps.kept import save_model
from tsprune.steps.model import ModelStep
from tsprune.steps.serve import CARD_FILE, ONNX_FILE, ServedLatencyStep, ServeStep, Weights
from tsprune.study.base.cells import Cells, with_needs
from tsprune.study.base.preflight import check
from tsprune.study.base.protocol import data_lines
from tsprune.whole import write_whole

SHARE = 0.7
"""The share of the time given after which none of the first steps, which show how long things take, is begun."""

_LEFT = {"status": NOT_RUN}


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
    write_whole(folder / ONNX_FILE, run.store.artifact(step.key, ONNX_FILE).read_bytes())
    card = run.store.artifact(step.key, CARD_FILE).read_text("utf-8")
    again = f"It was chosen by `{command(question)}`, which measures times anew and may then choose another."
    write_whole(folder / CARD_FILE, f"{card}\n{again}\n\n## Is it worth using?\n\n{on_card(found)}\n".encode())
    if found.row["weights"] == SPARSE_RUN:
        save_model(run.store, step.of.key, folder / MODEL_FILE)
    write_page(found, folder / PAGE_FILE)
    return found


class Compressing(Cells[Question, Answer]):
    """``Compressing(question).run()``: models and their files, as many as the time allows, then the times of all."""

    @cached_property
    def ways(self) -> list[Way]:
        return ways(self.config, self.base.specs[0])

    def plan(self) -> tuple[Step, ...]:
        return (*self.base.naive, *self.steps())

    def steps(self) -> Iterable[Step]:
        return chain.from_iterable(map(_with_files, self.ways))

    def first(self) -> tuple[Step, ...]:
        """What shows how long things take here: the naive forecasts, the dense model and its training on, the first of
        the smaller ones, which need not wait for it, and their files."""
        smaller = [way for way in self.ways if way.kind == SMALLER][:1]
        return (*self.base.naive, *with_needs(chain.from_iterable(map(_with_files, [*self.ways[:2], *smaller]))))

    @property
    def _probe(self) -> ServedLatencyStep:
        """Times the dense model's file alone, which tells how long it takes to time all."""
        return self.timing([ServeStep(of=self.ways[0].step)])

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each step stands in the order of trying; one that several ways need stands at the first of them."""
        places: dict[str, int] = {}
        for place, way in enumerate(self.ways):
            for step in with_needs([way.step]):
                places.setdefault(step.key, place)
        return places

    def _wave(self, step: Step) -> int:
        return self._places.get(step.key, 0)  # a file comes as soon as its model is there

    def check(self) -> None:
        """Raises :class:`UserError` as :meth:`Cells.run` before anything runs, and for a store that cannot be written
        to; makes nothing."""
        try:
            check(self.config, self.tables)
        except UserError as error:
            raise UserError(in_options(str(error), given=self.config.checkpoint is not None)) from None
        need_folder(locate(self.config.store), "--store")

    def run(self, *, make_executor: Callable[[], Executor] | None = None, progress: Progress | None = None) -> Answer:
        """Raises :class:`UserError` before anything runs as :meth:`check`, and where not even the dense model came to a
        result."""
        began, budget = time.monotonic(), 3600 * self.config.budget_hours
        self.check()
        try_folder(locate(self.config.store), "--store")
        # Ctrl-C leaves through the blocks, which ends the workers and what they have open.
        with Kept(make_executor or self.workers()) as maker, undone_by_stop(leave):
            self._compute(began, budget, {"make_executor": maker, "progress": progress})
        self.seconds = time.monotonic() - began
        found = self.gather()
        if found.busy:
            self.store.discard(self.timed.key)  # measured anew by the next run: the machine may be quiet then
        return found

    def _compute(self, began: float, budget: float, how: dict) -> None:
        """Every step of this run, ``how`` to compute them."""
        dense = self.ways[0].step
        self._add(self.first(), **how, deadline=began + SHARE * budget)
        # Even if the time is up: a file is held against the best naive forecast, which is known once all of them are,
        # and without the dense model and its file there is no answer at all.
        self._add(self.base.naive, **how)
        self._must(dense, how, "has no result, so there is nothing to compress")
        self._must(ServeStep(of=dense), how, "cannot be exported, so nothing can be compared")
        self._add([self._probe], **how)
        # What was begun comes to its end, and times are measured after everything else. PALS trains in one go for as
        # long as the two; a worker's first file takes longer than any other, since it loads the exporter.
        training = sum(self._took(way.step for way in self.ways[:2]))
        file = min(self._took(step for step in self.first() if isinstance(step, ServeStep)))
        files_end = began + budget - file - len(self.ways) * sum(self._took([self._probe]))
        self._add(self.plan(), **how, deadline=files_end - file - training)
        # What was trained to cost less becomes a file whatever the time: else it was trained for nothing.
        trained = [way for way in self.ways if way.kind not in MASKED and self.ok(way.step)]
        self._add([ServeStep(of=way.step) for way in trained], **how)
        # int8 first: models with zeros, whose float32 files are left, are no smaller for one.
        for weights in reversed(get_args(Weights)):
            self._add(self.files(weights), **how, deadline=files_end)
        self._add([self.timed], **how)

    def _add(self, steps: Iterable[Step], **how) -> None:
        """Compute the steps that have no row yet; once the disk is full, note instead that they are not run."""
        left = [step for step in steps if self.rows.get(step.key, _LEFT)["status"] == NOT_RUN]
        if self.halted:
            self.rows |= {step.key: failure(step, self.halted, NOT_RUN) for step in left}
        elif left:
            self.rows |= self.compute(left, **how)

    @property
    def halted(self) -> str | None:
        """Why steps that there was time for were not begun; None if there are none."""
        waiting = (row["reason"] for row in self.rows.values() if row["status"] == NOT_RUN)
        return next((reason for reason in waiting if reason != NOT_YET), None)

    def _took(self, steps: Iterable[Step]) -> list[float]:
        """Seconds that each of those steps took that have a result."""
        return [self.rows[step.key]["cost"]["seconds"] for step in steps if self.ok(step)]

    def _must(self, step: Step, how: dict, what: str) -> None:
        """Compute the step unless it has a row. Raises :class:`UserError` if it has no result, which means ``what``."""
        self._add([step], **how)
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
        files = [step for step in self.served if self.ok(step)]
        masked = [way.step for way in self.ways if way.kind in MASKED and self.ok(way.step) and self._keeps(way)]
        return self.timing(files, masked)

    def timing(self, files: Sequence[ServeStep], masked: Sequence[ModelStep] = ()) -> ServedLatencyStep:
        return ServedLatencyStep(of=tuple(files), masked=tuple(masked), threads=self.config.timed_threads)

    def gather(self) -> Answer:
        """Read the rows, of which the dense model's file at least has a result."""
        ok = [step for step in self.served if self.ok(step)]
        splits = self.base.specs[0].splits("cpu")
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
        if not differences[0].enough:
            files.loc[files.index != baseline, ["low", "high"]] = None
        files["verdict"] = verdicts(files, self.config.max_loss)
        return Answer(
            question=self.config,
            dataset=self.base.table.name,
            files=files,
            chosen=choose(files, self.config.goal, self.config.max_loss, baseline),
            baseline=baseline,
            naive=self._naive(splits.test),
            windows={"validation": len(splits.val), "test": len(splits.test)},
            block=block_length(ok[baseline].protocol()),
            untried=self._untried(),
            steps=made,
            busy=busy(times) if self.ok(self.timed) else _why(self.rows[self.timed.key]),
            protocol=data_lines(self.base.table, self.config),
            notes=self.data_notes(),
            seconds=self.seconds,
            halted=self.halted,
        )

    def _naive(self, windows: Windows) -> pd.DataFrame:
        """The naive forecasts with a result; the training rows' mean, which is 0 in scaled units, is one more."""
        levels = self.frame(self.base.naive)[["dataset", "pred_len", "model", "mse", "mae"]].dropna(subset="mse")
        square = absolute = count = 0.0
        for batch in windows.batches(self.config.eval_batch_size):
            square += float(batch.y.double().square().sum())
            absolute += float(batch.y.double().abs().sum())
            count += batch.y.numel()
        place = {"dataset": self.base.specs[0].label, "pred_len": self.config.pred_lens[0]}
        mean = place | {"model": MEAN, "mse": square / count, "mae": absolute / count}
        return pd.concat([levels, pd.DataFrame([mean])], ignore_index=True)

    def _untried(self) -> dict[str, str]:
        """Ways, files and naive forecasts without a result by name, and why."""
        by_step = {way.step.key: way for way in self.ways}
        without = {NAIVE[step.model]: step for step in self.base.naive} | {way.name: way.step for way in self.ways}
        without |= {f"{by_step[step.of.key].name}, as a file in {step.weights}": step for step in self.served}
        return {name: _why(self.rows[step.key]) for name, step in without.items() if not self.ok(step)}


def _with_files(way: Way) -> tuple[Step, ...]:
    """The model and the files that are made of it in any case."""
    files = () if way.kind in MASKED else get_args(Weights) if way.kind in (DENSE, LONGER) else ("float32",)
    return (way.step, *(ServeStep(of=way.step, weights=weights) for weights in files))


def _why(row: dict) -> str:
    if row["status"] != NOT_RUN:
        return f"{row['status']}: {row['reason']}"
    return OVER if row["reason"] == NOT_YET else row["reason"]
