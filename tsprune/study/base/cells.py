"""The cells of a study: named before anything runs, then run, then gathered into tables."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import pandas as pd

from tsprune.data import CATALOG
from tsprune.engine.cluster import dask_workers
from tsprune.engine.executors import cores, local_processes
from tsprune.engine.grid import run_grid
from tsprune.engine.kept_workers import Kept
from tsprune.engine.progress import Progress, make_progress
from tsprune.engine.step import FINAL, Step
from tsprune.engine.store import Corrupt, Store
from tsprune.measure import Difference, places_on_gpu
from tsprune.places import locate
from tsprune.report.text import counted, listed, literal
from tsprune.steps.archive import Archive, project_archive
from tsprune.steps.compare import compare
from tsprune.study.base.config import StudyConfig
from tsprune.study.base.preflight import check
from tsprune.study.base.protocol import protocol_lines
from tsprune.study.base.published import compare_with_published
from tsprune.study.base.result import cell_columns, tidy
from tsprune.study.base.shared import Base, Tables, base_steps, no_season
from tsprune.study.base.units import errors_in_units, unit_of
from tsprune.study.base.words import missing_words, size_line
from tsprune.training import device_type

AnyConfig = TypeVar("AnyConfig", bound=StudyConfig)
AnyResult = TypeVar("AnyResult")


def measured_here(step: Step) -> bool:
    """Whether the step does nothing but time what it makes itself: minutes at most, on the machine that runs it."""
    return step.alone and not step.needs


def from_elsewhere(step: Step, row: dict | None) -> bool:
    """Whether the row has times out of an archive that the step could measure itself."""
    return row is not None and bool(row.get("archived")) and measured_here(step)


class Cells(ABC, Generic[AnyConfig, AnyResult]):
    """Base of all studies' cells: ``Cells(config).run()`` gives the study's result.

    Built from a checked config. Nothing is loaded before it is asked for, and nothing runs before :meth:`run`.
    ``tables``: datasets that are there already.
    """

    def __init__(self, config: AnyConfig, tables: Tables | None = None):
        self.config = config
        self.tables = tables or Tables()
        self.rows: dict[str, dict] = {}
        """What each step came to, by its key; there once :meth:`run` calls :meth:`gather`."""

    @cached_property
    def base(self) -> Base:
        """The data, and the steps that all studies share."""
        return base_steps(self.config, self.tables)

    @cached_property
    def store(self) -> Store:
        return Store(locate(self.config.store))

    @cached_property
    def archive(self) -> Archive:
        """The rows that ship with the project."""
        return project_archive()

    @abstractmethod
    def steps(self) -> Iterable[Step]:
        """Every step of this study but the shared ones of :attr:`base`, in the order of its tables."""

    def beside(self) -> Iterable[Step]:
        """Steps that run along on the same workers and are gathered elsewhere; by default none."""
        return ()

    def then(self) -> Iterable[Step]:
        """Steps that depend on the results of the others, named once :attr:`rows` has those; by default none."""
        return ()

    @abstractmethod
    def gather(self) -> AnyResult:
        """The tables, once :attr:`rows` has every row."""

    def plan(self) -> tuple[Step, ...]:
        """All steps that can be named before anything runs, shared ones first."""
        return (*self.base.naive, *self.base.dense, *self.steps())

    def run(
        self, *, make_executor: Callable[[], Executor] | None = None, progress: Progress | None = None
    ) -> AnyResult:
        """Run what is missing and gather the tables; local processes and the progress that suits, unless others are
        given. Models that ``keep`` does not name are dropped from the store at the end.

        Raises :class:`tsprune.errors.UserError` before anything runs, with a line for each problem of the data, the
        device and the protocol (:func:`tsprune.study.base.preflight.check`).
        """
        check(self.config, self.tables)
        hours = self.config.budget_hours
        deadline = None if hours is None else time.monotonic() + 3600 * hours
        own, beside = self.plan(), tuple(self.beside())
        with Kept(make_executor or self.workers()) as maker:
            how = {"make_executor": maker, "progress": progress, "deadline": deadline}
            rows = self.compute((*own, *beside), **how)
            self.rows = {step.key: rows[step.key] for step in own}
            if later := tuple(self.then()):
                self.rows = self.compute((*own, *later), **how)
        result = self.gather()
        self._drop((*own, *beside))
        return result

    def read(self) -> AnyResult | None:
        """The tables of a run that is finished in its store; None where a step has no result. Writes nothing and needs
        no device. Raises UserError as :meth:`run`, and ``Corrupt`` for a row that was damaged."""
        check(self.config.model_copy(update={"budget_hours": 0}), self.tables)
        return self.gather() if self._stored(self.plan()) and self._stored(self.then()) else None

    def complete(self) -> bool:
        """Whether the store has a result of every step, so that :meth:`run` would compute nothing."""
        try:
            rows = [(step, self.store.row(step.key)) for step in self.every_step()]
        except Corrupt:
            return False
        return all(row and row["status"] in FINAL and not from_elsewhere(step, row) for step, row in rows)

    def _stored(self, steps: Iterable[Step]) -> bool:
        """Whether the store has a result of each, which is now in :attr:`rows`."""
        self.rows |= {step.key: self.store.row(step.key) for step in steps}
        return all(row is not None and row["status"] in FINAL for row in self.rows.values())

    @property
    def jobs(self) -> int:
        """Steps side by side; 0: as many as there are workers elsewhere."""
        if self.config.jobs or self.config.scheduler:
            return self.config.jobs
        return min(cores(), places_on_gpu()) if device_type(self.config.device) == "cuda" else cores()

    def workers(self) -> Callable[[], Executor]:
        """A maker of what steps run on."""
        if self.config.executor == "dask":
            return dask_workers(self.config.scheduler, self.jobs, self.config.resources)
        return local_processes(self.jobs)

    def compute(
        self,
        steps: Sequence[Step],
        *,
        make_executor: Callable[[], Executor] | None = None,
        progress: Progress | None = None,
        deadline: float | None = None,
    ) -> dict[str, dict]:
        """Rows of ``steps`` by key: of the store, of the archive, or computed; see :func:`run_grid`. Where there is a
        deadline, all models at one seed and one horizon come before more of these. Without one, times that are
        measured in minutes (:func:`measured_here`) are not the archive's, nor what an earlier run with a deadline took
        from there: they may be of another machine by the same name. Times of trained models may be the archive's, where
        the machine's name is the same: to measure them takes the trainings again."""
        here = {step.key for step in steps if measured_here(step)} if deadline is None else set()
        self._forget_times([step for step in steps if step.key in here])
        return run_grid(
            steps,
            self.store,
            make_executor=make_executor or self.workers(),
            jobs=self.jobs,
            progress=progress or make_progress(self.jobs),
            keeps=self.keeps,
            fetch=lambda key: key not in here and self.archive.restore(key, self.store),
            wave=self._wave if deadline is not None else lambda step: 0,
            deadline=deadline,
            lengths=self.lengths,
            past=lambda: self.archive.lines.values(),
        )

    def _forget_times(self, steps: Iterable[Step]) -> None:
        """Rows of these steps that the store has out of an archive leave it."""
        for step in steps:
            with suppress(Corrupt):  # the grid looks at it again, and says so
                if from_elsewhere(step, self.store.row(step.key)):
                    self.store.discard(step.key)

    @property
    def lengths(self) -> dict[str, int]:
        """Time steps of the datasets of the catalogue and of this study's own, by name."""
        known = {entry.name: entry.rows * (entry.columns if entry.pooled else 1) for entry in CATALOG.values()}
        return known | {self.base.table.name: len(self.base.table.values) * self.base.table.series}

    def _wave(self, step: Step) -> int:
        """How far down the lists of seeds and horizons the step stands."""
        protocol, places = step.protocol(), 0
        if protocol["method"] == "naive":  # seconds, and every number is held against it
            return 0
        for name, values in (("seed", self.config.seeds), ("pred_len", self.config.pred_lens)):
            if protocol.get(name) in values:
                places += values.index(protocol[name])
        return places

    def keeps(self, step: Step) -> bool:
        """Whether the model that ``step`` ends with stays in the store."""
        return self.config.keep == "all" or (self.config.keep == "dense" and step.lasting)

    def _drop(self, steps: Sequence[Step]) -> None:
        """Models of this study that ``keep`` does not name, and of the steps that it needed."""
        for step in with_needs(steps):
            if step.keepsake and not self.keeps(step):
                self.store.drop(step.key, step.keepsake)

    def every_step(self, row: Callable[[str], dict | None] | None = None) -> list[Step]:
        """Every step of a run, those that others need too, and those of :meth:`then` where there are the rows that they
        depend on, by ``row`` or in the store. Runs nothing."""
        own, row = self.plan(), row or self.store.row
        steps = [*own, *self.beside()]
        rows = {step.key: row(step.key) for step in own}
        if all(rows.values()):
            self.rows = rows
            steps += self.then()
        return with_needs(steps)

    def ok(self, *steps: Step) -> bool:
        """Whether every one of ``steps`` has a result."""
        return all(self.rows[step.key]["status"] == "ok" for step in steps)

    def frame(self, steps: Iterable[Step]) -> pd.DataFrame:
        """A row per step, as the study's table ``cells`` has them."""
        return cell_columns([self.rows[step.key] for step in steps])

    def compare(self, ours: Sequence[Step], others: Sequence[Step]) -> Difference | None:
        """Test MSE of ``ours`` relative to ``others``, see :func:`tsprune.steps.compare.compare`."""
        return compare(self.store, self.rows, ours, others)

    def difference(self, ours: Iterable[Step], others: Iterable[Step]) -> dict:
        """:func:`difference_columns` over the seeds that have a result on both sides, which stand in the same order."""
        pairs = [pair for pair in zip(ours, others, strict=True) if self.ok(*pair)]
        return difference_columns(self.compare(*zip(*pairs, strict=True)) if pairs else None)

    def common(self, cells: pd.DataFrame) -> dict:
        """The fields of ``StudyResult`` that do not depend on the study."""
        naive = self.frame(self.base.naive)
        return {
            "tidy": tidy(self.rows.values()),
            "cells": cells,
            "naive": naive[["dataset", "pred_len", "model", "mse", "mae", "status", "reason"]],
            "published": compare_with_published(cells, naive, self.config, self.base.table.catalog_name),
            "data_notes": self.data_notes(),
            "stands_in_for": self.base.table.stands_in_for,
            "size": size_line(self.config.every_width(), self.config.epochs, self._machine()),
            "protocol": protocol_lines(self.base, self.rows, self.config),
            "units": errors_in_units(self.store, self.base.table, self.rows, (*self.base.naive, *self.base.dense)),
            "unit": unit_of(self.base.table),
            "missing": missing_words(self.rows.values()),
        }

    def data_notes(self) -> tuple[str, ...]:
        """What was found in the data and done to it, a line each, as Markdown."""
        notes = (*self.base.table.notes, *no_season(self.base.table, self.config.seq_len))
        return tuple(literal(note) for note in notes)

    def _machine(self) -> str:
        """What dense models were trained on, in words; those of the archive on another machine than this page."""
        rows = [self.rows[step.key] for step in self.base.dense]
        if {row["protocol"]["device"] for row in rows} == {"cuda"}:
            return "a GPU"
        found = {row["made"]["cores"] for row in rows if row.get("made")} or {cores()}
        return listed([counted(count, "core") for count in sorted(found)])


def with_needs(steps: Iterable[Step]) -> list[Step]:
    """The steps and, all the way down, those that they need, each once."""
    every: dict[str, Step] = {}
    todo = list(steps)
    while todo:
        step = todo.pop()
        if step.key not in every:
            every[step.key] = step
            todo += step.needs
    return list(every.values())


def difference_columns(found: Difference | None) -> dict:
    """What tables of comparisons hold of a difference; where nothing could be compared, no number and no claim."""
    if found is None:
        return {"relative": math.nan, "low": math.nan, "high": math.nan, "seeds": 0, "windows": 0, "clear": False}
    return vars(found) | {"clear": found.clear}


SAME = ["model", "pred_len", "seed"]
"""The columns in which a cell and the dense model that it is held against agree."""


def of_dense(column: str, cells: pd.DataFrame, dense: pd.DataFrame) -> np.ndarray:
    """For each of ``cells`` what ``column`` of ``dense`` is for the same model, horizon and seed."""
    values = dense.drop_duplicates(SAME).set_index(SAME)[column]
    return values.reindex(pd.MultiIndex.from_frame(cells[SAME])).to_numpy()


def relative_to_dense(cells: pd.DataFrame, dense: pd.DataFrame) -> pd.Series:
    """MSE over the dense MSE of the same model, horizon and seed."""
    return cells["mse"] / of_dense("mse", cells, dense)
