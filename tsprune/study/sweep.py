"""Study 01: how far can a forecaster be pruned without retraining? From a config to tidy tables."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import pandas as pd

from tsprune.data import Table
from tsprune.models import list_models
from tsprune.study.config import PruningSweep
from tsprune.study.executors import cores, local_processes
from tsprune.study.grid import run_grid
from tsprune.study.places import resolve
from tsprune.study.progress import Progress, make_progress
from tsprune.study.published import compare_with_published
from tsprune.study.steps import NaiveStep, PruneStep, Step, TrainStep, train_step
from tsprune.study.store import Store
from tsprune.study.tables import STATUS_MIME, cell_columns, tidy

TOLERANCES = (0.0, 0.05, 0.10)


@dataclass(frozen=True)
class SweepPlan:
    """Every step of the sweep, in the order of the config's lists."""

    naive: tuple[NaiveStep, ...]
    dense: tuple[TrainStep, ...]
    pruned: tuple[PruneStep, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.naive, *self.dense, *self.pruned)


@dataclass(frozen=True)
class SweepResult:
    """Tables for people and figures; ``tidy`` has everything: a row per cell and metric with every protocol column."""

    tidy: pd.DataFrame
    cells: pd.DataFrame
    naive: pd.DataFrame
    layers: pd.DataFrame
    limits: pd.DataFrame
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


def plan_sweep(config: PruningSweep, table: Table) -> SweepPlan:
    """The steps of ``config`` on ``table``; nothing is run."""
    specs = [config.data_spec(table, pred_len) for pred_len in config.pred_lens]
    recipe = config.recipe()
    dense = tuple(
        train_step(spec, model, config.hyper(), recipe, seed)
        for spec in specs
        for model in config.models
        for seed in config.seeds
    )
    return SweepPlan(
        naive=tuple(
            NaiveStep(data=spec, model=model, train=recipe) for spec in specs for model in list_models(trainable=False)
        ),
        dense=dense,
        pruned=tuple(
            PruneStep(trained=trained, scope=scope, density=density)
            for trained in dense
            for scope in config.scopes
            for density in sorted(config.densities, reverse=True)
            if density < 1
        ),
    )


def run_sweep(
    config: PruningSweep,
    *,
    make_executor: Callable[[], Executor] | None = None,
    progress: Progress | None = None,
) -> SweepResult:
    """Run what is missing and gather the tables. Raises :class:`tsprune.errors.UserError` before anything runs."""
    table = config.load_data()
    plan = plan_sweep(config, table)
    jobs = config.jobs or cores()
    rows = run_grid(
        plan.steps,
        Store(resolve(config.store)),
        make_executor=make_executor or local_processes(jobs),
        jobs=jobs,
        progress=progress or make_progress(jobs),
    )
    cells = _cells(plan, rows, config)
    naive = cell_columns([rows[step.key] for step in plan.naive])
    return SweepResult(
        tidy=tidy(rows.values()),
        cells=cells,
        naive=naive[["dataset", "pred_len", "model", "mse", "mae", "status", "reason"]],
        layers=_layers(plan, rows, config),
        limits=pruning_limits(cells),
        published=compare_with_published(cells, naive, config),
        data_notes=table.notes,
        stands_in_for=table.stands_in_for,
        protocol=_protocol(config, table, rows, plan),
    )


def _cells(plan: SweepPlan, rows: dict[str, dict], config: PruningSweep) -> pd.DataFrame:
    """A row per model, horizon, seed, scope and density; dense stands once per scope, at density 1."""
    dense = cell_columns([rows[step.key] for step in plan.dense])
    dense = dense.assign(structure="unstructured").drop(columns="scope")
    dense = dense.merge(pd.DataFrame({"scope": config.scopes}), how="cross")
    frames = [dense]
    if plan.pruned:
        frames.append(cell_columns([rows[step.key] for step in plan.pruned]))
    cells = pd.concat(frames, ignore_index=True)
    same = ["model", "pred_len", "seed"]
    reference = dense.drop_duplicates(same).set_index(same)["mse"]
    cells["mse_relative"] = cells["mse"] / reference.reindex(pd.MultiIndex.from_frame(cells[same])).to_numpy()
    order = ["model", "pred_len", "seed", "scope", "density_asked"]
    ranked = cells.assign(model=pd.Categorical(cells["model"], config.models, ordered=True))
    index = ranked.sort_values(order, ascending=[True, True, True, True, False]).index
    return cells.loc[index].reset_index(drop=True)


def _layers(plan: SweepPlan, rows: dict[str, dict], config: PruningSweep) -> pd.DataFrame:
    """A row per cell and prunable tensor, dense included."""
    columns = ["model", "pred_len", "seed", "scope", "density_asked", "layer", "layer_density", "weights"]
    records = []
    for step in (*plan.dense, *plan.pruned):
        row = rows[step.key]
        for scope in config.scopes if isinstance(step, TrainStep) else [step.scope]:
            records += [row["protocol"] | {"scope": scope} | layer for layer in row["detail"].get("layers", ())]
    return pd.DataFrame(records, columns=columns)


def pruning_limits(cells: pd.DataFrame) -> pd.DataFrame:
    """Per model, horizon, scope and tolerance: the lowest density up to which the MSE stays within it.

    For one seed a density counts when it and every higher density of the grid keep ``MSE <= (1 + tolerance) * dense
    MSE``; a failed cell ends the range, nothing is claimed beyond it. ``density`` is the mean over the seeds,
    ``limit_low`` and ``limit_high`` the lowest and highest of them; NaN where the dense training itself failed.
    """
    records = []
    for (model, pred_len, scope), group in cells.groupby(["model", "pred_len", "scope"], sort=False):
        relative = group.pivot(index="density_asked", columns="seed", values="mse_relative")
        relative = relative.sort_index(ascending=False)
        for tolerance in TOLERANCES:
            reached = pd.Series([_lowest_within(relative[seed], tolerance) for seed in relative])
            density = reached.mean(skipna=False)
            records.append(
                {
                    "model": model,
                    "pred_len": pred_len,
                    "scope": scope,
                    "tolerance": tolerance,
                    "density": density,
                    "sparsity": 1 - density,
                    "limit_low": reached.min(skipna=False),
                    "limit_high": reached.max(skipna=False),
                    "seeds": len(reached),
                }
            )
    return pd.DataFrame(records)


def _lowest_within(relative: pd.Series, tolerance: float) -> float:
    """``relative`` is indexed by density, falling; NaN (a failed cell) is outside every tolerance."""
    inside = (relative <= 1 + tolerance).cummin()
    return float(relative.index[inside].min()) if inside.any() else float("nan")


def _protocol(config: PruningSweep, table: Table, rows: dict[str, dict], plan: SweepPlan) -> dict[str, str]:
    """What the numbers stand for, as readable lines."""
    dense = [rows[step.key] for step in plan.dense]
    ok = [row["result"] for row in dense if row["status"] == "ok"]
    naive = [rows[step.key]["result"] for step in plan.naive]
    windows = {str(r.get("windows_test")) for r in (*ok, *naive) if r.get("windows_test")}
    facts = {
        "dataset": f"{table.name}, {len(table.values):,} rows x {len(table.columns)} columns, from {table.source}",
        "look-back, label, horizons": f"{config.seq_len}, {config.label_len}, " + ", ".join(map(str, config.pred_lens)),
        "test windows": f"{' / '.join(sorted(windows))} ("
        + ("every window counted once)" if config.protocol == "full" else "last incomplete batch dropped)"),
        "errors": "on scaled data (mean 0, standard deviation 1 of the training rows), as in the papers",
        "models": f"d_model {config.d_model}, heads {config.n_heads}, encoder layers {config.e_layers}, decoder "
        f"layers {config.d_layers}, d_ff {config.d_ff}, dropout {config.dropout}",
        "training": f"Adam {config.learning_rate:g}, schedule {config.schedule}, batch {config.batch_size}, at most "
        f"{config.epochs} epochs, patience {config.patience}, {config.precision}",
        "seeds": ", ".join(map(str, config.seeds)),
        "pruning": "one-shot magnitude, unstructured, no retraining; every weight tensor of two or more dimensions",
    }
    if ok:
        facts["device"] = " / ".join(sorted({row["protocol"]["device"] for row in dense}))
        facts["parameters"] = ", ".join(
            f"{step.model} {row['result']['parameters']:,}"
            for step, row in zip(plan.dense, dense, strict=True)
            if row["status"] == "ok" and step.seed == config.seeds[0] and step.data.pred_len == config.pred_lens[0]
        )
        facts["training time"] = ", ".join(
            f"{step.model} {row['cost']['seconds_per_epoch']:.1f} s per epoch x {row['result']['epochs_run']}"
            for step, row in zip(plan.dense, dense, strict=True)
            if row["status"] == "ok" and step.seed == config.seeds[0] and step.data.pred_len == config.pred_lens[0]
        )
        peak = max(row["cost"]["peak_memory_mib"] for row in dense if row["status"] == "ok")
        facts["peak memory"] = f"{peak:,.0f} MiB in the largest training process"
    return facts
