"""What every study does the same way: load the data, run the missing steps, gather tables and the protocol."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import pandas as pd

from tsprune.data import Table
from tsprune.models import list_models
from tsprune.study.config import StudyConfig
from tsprune.study.executors import cores, local_processes
from tsprune.study.grid import run_grid
from tsprune.study.places import resolve
from tsprune.study.progress import Progress, make_progress
from tsprune.study.published import compare_with_published
from tsprune.study.steps import DataSpec, NaiveStep, Step, TrainStep, train_step
from tsprune.study.store import Store
from tsprune.study.tables import STATUS_MIME, cell_columns, tidy


@dataclass(frozen=True)
class StudyResult:
    """Tables for people and figures; ``tidy`` has everything: a row per cell and metric with every protocol column."""

    tidy: pd.DataFrame
    cells: pd.DataFrame
    naive: pd.DataFrame
    published: pd.DataFrame
    data_notes: tuple[str, ...]
    stands_in_for: str | None
    """Name of the dataset that could not be had, when the numbers are on synthetic data instead."""
    protocol: dict[str, str]

    @property
    def failures(self) -> int:
        """Cells without a result."""
        return int((self.cells["status"] != "ok").sum() + (self.naive["status"] != "ok").sum())

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """One line for the reader, and the count of failures for whoever runs the notebook."""
        text = f"{len(self.cells)} cells, {self.failures} without a result; {len(self.tidy)} rows in the long table"
        return {"text/plain": text, STATUS_MIME: {"cells": len(self.cells), "failures": self.failures}}


@dataclass(frozen=True)
class Base:
    """The steps that every study shares: naive forecasts per horizon, dense trainings per horizon, model and seed."""

    table: Table
    specs: tuple[DataSpec, ...]
    naive: tuple[NaiveStep, ...]
    dense: tuple[TrainStep, ...]


def naive_models(table: Table, seq_len: int) -> dict[str, dict]:
    """The naive forecasts that can be made, and what they need: the seasonal one a season within the look-back."""
    found: dict[str, dict] = {model: {} for model in list_models(trainable=False)}
    found["SeasonalNaive"] = {"season": table.season}
    if not 1 < table.season <= seq_len:
        del found["SeasonalNaive"]
    return found


def base_steps(config: StudyConfig) -> Base:
    """Load the data and name the shared steps; nothing is run."""
    table = config.load_data()
    specs = tuple(config.data_spec(table, pred_len) for pred_len in config.pred_lens)
    recipe = config.recipe()
    return Base(
        table=table,
        specs=specs,
        naive=tuple(
            NaiveStep(data=spec, model=model, train=recipe, hyper=hyper)
            for spec in specs
            for model, hyper in naive_models(table, config.seq_len).items()
        ),
        dense=tuple(
            train_step(spec, model, config.hyper(), recipe, seed)
            for spec in specs
            for model in config.models
            for seed in config.seeds
        ),
    )


def run_steps(
    steps: Sequence[Step],
    config: StudyConfig,
    make_executor: Callable[[], Executor] | None,
    progress: Progress | None,
) -> dict[str, dict]:
    """Rows of ``steps`` by key; local processes and the progress that suits, unless others are given."""
    jobs = config.jobs or cores()
    return run_grid(
        steps,
        Store(resolve(config.store)),
        make_executor=make_executor or local_processes(jobs),
        jobs=jobs,
        progress=progress or make_progress(jobs),
    )


def common_tables(base: Base, rows: dict[str, dict], cells: pd.DataFrame, config: StudyConfig) -> dict:
    """The fields of :class:`StudyResult` that do not depend on the study."""
    naive = cell_columns([rows[step.key] for step in base.naive])
    return {
        "tidy": tidy(rows.values()),
        "cells": cells,
        "naive": naive[["dataset", "pred_len", "model", "mse", "mae", "status", "reason"]],
        "published": compare_with_published(cells, naive, config),
        "data_notes": (*base.table.notes, *no_season(base.table, config.seq_len)),
        "stands_in_for": base.table.stands_in_for,
        "protocol": _protocol(base, rows, config),
    }


def no_season(table: Table, seq_len: int) -> tuple[str, ...]:
    """Why there is no seasonal naive forecast, a line; nothing where there is one."""
    if "SeasonalNaive" in naive_models(table, seq_len):
        return ()
    if table.season == 1:
        return (f"no seasonal naive forecast: no season is known of steps of {table.time_step}",)
    return (f"no seasonal naive forecast: a season has {table.season} time steps, the look-back {seq_len}",)


def _naive_words(base: Base) -> str:
    steps = [step.hyper["season"] for step in base.naive if "season" in step.hyper]
    season = f"; the value one season, {steps[0]} time steps, before" if steps else ""
    return f"the last value{season}"


def relative_to_dense(cells: pd.DataFrame, dense: pd.DataFrame) -> pd.Series:
    """MSE over the dense MSE of the same model, horizon and seed."""
    same = ["model", "pred_len", "seed"]
    reference = dense.drop_duplicates(same).set_index(same)["mse"]
    return cells["mse"] / reference.reindex(pd.MultiIndex.from_frame(cells[same])).to_numpy()


def _protocol(base: Base, rows: dict[str, dict], config: StudyConfig) -> dict[str, str]:
    """What the numbers stand for, as readable lines."""
    table = base.table
    done = [(step, rows[step.key]) for step in base.dense if rows[step.key]["status"] == "ok"]
    tested = [row["result"] for _, row in done] + [rows[step.key]["result"] for step in base.naive]
    windows = sorted({f"{r['windows_test']:,}" for r in tested if r.get("windows_test")})
    facts = {
        "dataset": f"{table.name}, {len(table.values):,} rows x {len(table.columns)} columns, from {table.source}",
        "look-back, label, horizons": f"{config.seq_len}, {config.label_len}, " + ", ".join(map(str, config.pred_lens)),
        "test windows": f"{' / '.join(windows)} ("
        + ("every window counted once)" if config.protocol == "full" else "last incomplete batch dropped)"),
        "naive forecasts": _naive_words(base),
        "errors": "on scaled data (mean 0, standard deviation 1 of the training rows), as in the papers",
        "models": f"d_model {config.d_model}, heads {config.n_heads}, encoder layers {config.e_layers}, decoder "
        f"layers {config.d_layers}, d_ff {config.d_ff}, dropout {config.dropout}",
        "training": f"Adam {config.learning_rate:g}, schedule {config.schedule}, batch {config.batch_size}, at most "
        f"{config.epochs} epochs, patience {config.patience}, {config.precision}",
        "seeds": ", ".join(map(str, config.seeds)),
    }
    if done:
        first = {step.model: row for step, row in reversed(done)}
        names = [name for name in config.models if name in first]
        facts["device"] = " / ".join(sorted({row["protocol"]["device"] for _, row in done}))
        facts["parameters"] = ", ".join(f"{name} {first[name]['result']['parameters']:,}" for name in names)
        facts["training time"] = ", ".join(
            f"{name} {first[name]['cost']['seconds_per_epoch']:.1f} s per epoch x {first[name]['result']['epochs_run']}"
            for name in names
        )
        peak = max(row["cost"]["peak_memory_mib"] for _, row in done)
        facts["peak memory"] = f"{peak:,.0f} MiB in the largest training process"
    return facts
