"""Study 01: how far can a forecaster be pruned without retraining? From a config to tidy tables."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import pandas as pd

from tsprune.study.config import PruningSweep
from tsprune.study.progress import Progress
from tsprune.study.result import Base, StudyResult, base_steps, common_tables, relative_to_dense, run_steps
from tsprune.study.steps import PruneStep, TrainStep
from tsprune.study.tables import cell_columns

TOLERANCES = (0.0, 0.05, 0.10)


@dataclass(frozen=True)
class SweepResult(StudyResult):
    """``layers`` has a row per cell and prunable tensor, ``limits`` how far each model can be pruned."""

    layers: pd.DataFrame
    limits: pd.DataFrame


def prune_steps(config: PruningSweep, base: Base) -> tuple[PruneStep, ...]:
    """A step per dense model, scope and density below 1."""
    return tuple(
        PruneStep(trained=trained, scope=scope, density=density)
        for trained in base.dense
        for scope in config.scopes
        for density in sorted(config.densities, reverse=True)
        if density < 1
    )


def run_sweep(
    config: PruningSweep,
    *,
    make_executor: Callable[[], Executor] | None = None,
    progress: Progress | None = None,
) -> SweepResult:
    """Run what is missing and gather the tables. Raises :class:`tsprune.errors.UserError` before anything runs."""
    base = base_steps(config)
    pruned = prune_steps(config, base)
    rows = run_steps((*base.naive, *base.dense, *pruned), config, make_executor, progress)
    cells = _cells(base, pruned, rows, config)
    common = common_tables(base, rows, cells, config)
    common["protocol"]["pruning"] = (
        "one-shot magnitude, unstructured, no retraining; every weight tensor of two or more dimensions"
    )
    return SweepResult(**common, layers=_layers(base, pruned, rows, config), limits=pruning_limits(cells))


def _cells(base: Base, pruned: tuple[PruneStep, ...], rows: dict[str, dict], config: PruningSweep) -> pd.DataFrame:
    """A row per model, horizon, seed, scope and density; dense stands once per scope, at density 1."""
    dense = cell_columns([rows[step.key] for step in base.dense])
    dense = dense.assign(structure="unstructured").drop(columns="scope")
    dense = dense.merge(pd.DataFrame({"scope": config.scopes}), how="cross")
    frames = [dense]
    if pruned:
        frames.append(cell_columns([rows[step.key] for step in pruned]))
    cells = pd.concat(frames, ignore_index=True)
    cells["mse_relative"] = relative_to_dense(cells, dense)
    order = ["model", "pred_len", "seed", "scope", "density_asked"]
    ranked = cells.assign(model=pd.Categorical(cells["model"], config.models, ordered=True))
    index = ranked.sort_values(order, ascending=[True, True, True, True, False]).index
    return cells.loc[index].reset_index(drop=True)


def _layers(base: Base, pruned: tuple[PruneStep, ...], rows: dict[str, dict], config: PruningSweep) -> pd.DataFrame:
    """A row per cell and prunable tensor, dense included."""
    columns = ["model", "pred_len", "seed", "scope", "density_asked", "layer", "layer_density", "weights"]
    records = []
    for step in (*base.dense, *pruned):
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
