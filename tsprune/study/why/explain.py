"""From the rows of :mod:`tsprune.steps.sensitivity` to tables: which cells miss, what kind of failure each is, and what
predicts the loss."""

import numpy as np
import pandas as pd

from tsprune.engine.step import NOT_RUN
from tsprune.study.base.result import TOLERANCE
from tsprune.study.why.result import CARRIES, CELL, LEAST_PAIRS, PAIR, PREDICTORS, SLACK, WhyResult

_DRAWS = 1000
"""Of the bootstrap over pairs."""

_TOTALS = ["weights", "dead", "near_zero"]
_FIRST = ["free_removed", "working_removed", "norm_removed", "predicted", "top_group", "top_loss", "top_density"]


def explain(
    rows: list[dict],
    cells: pd.DataFrame,
    standing: pd.DataFrame,
    scopes: tuple[str, ...],
    notes: tuple[str, ...] = (),
) -> WhyResult:
    """The tables from the rows of :class:`SensitivityStep`. ``cells`` has ``mse_relative`` on all test windows, for the
    cells that the study has; ``standing`` has ``mse_dense`` and ``mse_repeat_last`` there, a row per pair."""
    done = [row for row in rows if row["status"] == "ok"]
    curves, groups = _records(done, "curves"), _records(done, "groups")
    # Every curve starts at the dense model.
    dense = groups[[*PAIR, "group"]].assign(density_asked=1.0, density=1.0, norm_removed=0.0, mse_relative=1.0)
    curves = pd.concat([dense, curves], ignore_index=True)
    by_group = {key: curve for key, curve in curves.groupby([*PAIR, "group"], sort=False)}
    cell_groups = _records(done, "cell_groups")
    cell_groups["alone"] = [
        alone_loss(by_group[tuple(key)], norm)
        for *key, norm in cell_groups[[*PAIR, "group", "norm_removed"]].itertuples(index=False, name=None)
    ]
    found = _cells(done, cell_groups, cells)
    return WhyResult(
        cells=found,
        cell_groups=cell_groups,
        curves=curves,
        groups=groups,
        conditions=_conditions(rows, found, scopes).merge(standing, on=PAIR, how="left"),
        predictors=rank_predictors(found),
        windows=max((row["result"]["windows_test"] for row in done), default=0),
        notes=notes,
    )


def alone_loss(curve: pd.DataFrame, norm_removed: float) -> float:
    """Loss of one group pruned alone, from its ``curve``: linear in the squared norm removed between its points.

    Near a minimum the loss grows with the square of what is taken away (the second-order term of LeCun et al. 1990,
    Optimal brain damage, equation 1), which holds for another cut of the same norm too. Beyond the curve's last point
    it is that point's loss.
    """
    points = curve.sort_values("norm_removed")
    losses = points["mse_relative"].fillna(np.inf) - 1  # a forecast that is not finite
    return float(np.interp(norm_removed**2, points["norm_removed"] ** 2, losses))


def rank_predictors(cells: pd.DataFrame) -> pd.DataFrame:
    """How well each of PREDICTORS ranks the cells by ``mse_relative``: Spearman's rank correlation.

    ``all_cells``: over all of them, where density itself does much of the work. ``same_density``: ranks taken within
    each scope and density, so that only models and datasets differ; ``low`` and ``high`` hold 95 % of bootstrap draws
    over pairs, and ``worse_than_best`` is True where that interval of the difference to the best predictor excludes
    zero. Pairs with a cell that has no number are left out; with fewer than three pairs nothing is said (NaN). A draw
    of one pair over and over has no correlation and is left out.
    """
    wide = cells.pivot(index=PAIR, columns=["scope", "density_asked"], values=["mse_relative", *PREDICTORS]).dropna()
    pairs = len(wide)
    table = pd.DataFrame({"predictor": list(PREDICTORS), "pairs": pairs, "cells": 0, "all_cells": np.nan})
    table = table.assign(same_density=np.nan, low=np.nan, high=np.nan, worse_than_best=False)
    if pairs < LEAST_PAIRS:
        return table
    loss, values = wide["mse_relative"].to_numpy(), [wide[name].to_numpy() for name in PREDICTORS]
    table["cells"] = loss.size
    table["all_cells"] = [_rank_correlation(v.reshape(-1, 1), loss.reshape(-1, 1)) for v in values]
    table["same_density"] = [_rank_correlation(v, loss) for v in values]
    drawn = np.random.default_rng(0).integers(pairs, size=(_DRAWS, pairs))
    draws = np.array([[_rank_correlation(v[i], loss[i]) for v in values] for i in drawn])
    known = table["same_density"].notna().to_numpy()
    if not known.any():  # every pair lost the same
        return table
    draws = draws[np.isfinite(draws[:, known]).all(axis=1)]
    table["low"], table["high"] = np.quantile(draws, [0.025, 0.975], axis=0)
    best = int(np.nanargmax(table["same_density"]))
    table["worse_than_best"] = np.quantile(draws[:, [best]] - draws, 0.025, axis=0) > 0
    return table


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's, of the rows within each column, pooled over the columns; NaN where one of them does not vary."""
    a, b = _centred_ranks(x), _centred_ranks(y)
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size else np.nan


def _centred_ranks(x: np.ndarray) -> np.ndarray:
    """Twice the ranks within each column, ties at their mean, around zero."""
    return (x[:, None] > x[None]).sum(1) - (x[:, None] < x[None]).sum(1)


def _records(rows: list[dict], part: str) -> pd.DataFrame:
    """One of the lists of ``detail``, of all rows, with the columns that say whose it is."""
    columns = {
        "groups": ["group", "weights", "dead", "near_zero"],
        "curves": ["group", "density_asked", "density", "norm_removed", "mse_relative"],
        "cells": [
            *("scope", "density_asked", "density", "norm_removed", "removed", "removed_dead", "removed_near_zero"),
            "mse_relative",
        ],
        "cell_groups": ["scope", "density_asked", "group", "density", "norm_removed"],
    }[part]
    records = [
        {name: row["protocol"][name] for name in PAIR} | record for row in rows for record in row["detail"][part]
    ]
    table = pd.DataFrame(records, columns=[*PAIR, *columns])
    numbers = ("density_asked", "density", "mse_relative")
    return table.astype({name: float for name in numbers if name in columns})  # of no rows, too


def _cells(rows: list[dict], cell_groups: pd.DataFrame, sweep: pd.DataFrame) -> pd.DataFrame:
    """See ``WhyResult.cells``. The study's own cells decide, on all test windows, whether a cell misses."""
    cells = _records(rows, "cells")
    totals = pd.DataFrame([row["protocol"] | row["result"] for row in rows], columns=[*PAIR, *_TOTALS, "seed"])
    cells = cells.merge(totals, on=PAIR, how="left")
    tested = sweep.loc[sweep["density_asked"] < 1, [*CELL, "seed", "mse_relative", "status"]]
    tested = tested.rename(columns={"mse_relative": "mse_relative_test", "status": "status_test"})
    tested = tested.astype({"density_asked": float})
    tested = tested[tested["status_test"] != NOT_RUN]  # that a cell has not run says nothing of its error
    cells = cells.merge(tested, on=[*CELL, "seed"], how="left")
    relative = cells["mse_relative_test"].where(cells["status_test"].notna(), cells["mse_relative"])
    free = cells["removed_dead"] + cells["removed_near_zero"]
    working = cells["weights"] - cells["dead"] - cells["near_zero"]
    top = cell_groups.loc[cell_groups.groupby(CELL, sort=False)["alone"].idxmax(), [*CELL, "group", "alone", "density"]]
    top = top.rename(columns={"group": "top_group", "alone": "top_loss", "density": "top_density"})
    predicted = cell_groups.groupby(CELL, sort=False)["alone"].agg(lambda losses: losses.sum(skipna=False))
    cells = cells.assign(
        missed=~(relative <= 1 + TOLERANCE),
        free_removed=free / cells["removed"].where(cells["removed"] > 0),
        working_removed=(cells["removed"] - free) / working,
        sparsity=1 - cells["density_asked"],
    )
    cells = cells.merge(top, on=CELL, how="left").merge(predicted.rename("predicted"), on=CELL, how="left")
    kept = ["seed", "density", "mse_relative", "mse_relative_test", "missed", "sparsity", "free_removed"]
    kept += ["working_removed", "norm_removed", "predicted", "top_group", "top_loss", "top_density"]
    return cells[[*CELL, *kept]]


def _conditions(rows: list[dict], cells: pd.DataFrame, scopes: tuple[str, ...]) -> pd.DataFrame:
    """See ``WhyResult.conditions``; a row of kind ``no result`` for a pair that has none, with the reason, and of
    kind ``not run`` for one that has not run."""
    records = []
    for row in rows:
        pair = {name: row["protocol"][name] for name in PAIR}
        own = cells[(cells[PAIR] == pd.Series(pair)).all(axis=1)]
        for scope in scopes:
            kind = "not run" if row["status"] == NOT_RUN else "no result"
            record = pair | {"scope": scope, "kind": kind, "status": row["status"], "reason": row["reason"]}
            if row["status"] == "ok":
                result = row["result"]
                record |= {
                    "dead": result["dead"] / result["weights"],
                    "near_zero": result["near_zero"] / result["weights"],
                    "without_free": result["mse_relative_without_free"],
                    **_condition(own[own["scope"] == scope]),
                }
            records.append(record)
    first = ["first_density", "first_loss", *(f"first_{name}" for name in _FIRST)]
    columns = ["dead", "near_zero", "without_free", "cells", "missed", "keeps", "kind", "status", "reason", *first]
    return pd.DataFrame(records).reindex(columns=[*PAIR, "scope", *columns])


def _condition(cells: pd.DataFrame) -> dict:
    """The first cell (highest density) that misses the accuracy, and the kind of failure.

    ``keeps``: none misses. ``free``: up to there only free weights went (SLACK). ``one group``: a group alone costs at
    least CARRIES of the loss. ``many groups``: their losses alone add up to that. ``together``: they do not, so the
    loss comes from pruning them together. ``unclear``: no loss on the windows looked at. ``not finite``: no forecast.
    """
    cells = cells.sort_values("density_asked", ascending=False)
    missed = cells[cells["missed"]]
    before = cells[~cells["missed"].cummax()]
    found = {"cells": len(cells), "missed": len(missed), "keeps": before["density_asked"].min() if len(before) else 1.0}
    if missed.empty:
        return found | {"kind": "keeps"}
    cell = missed.iloc[0]
    loss = cell["mse_relative"] - 1
    found |= {"first_density": cell["density_asked"], "first_loss": loss}
    found |= {f"first_{name}": cell[name] for name in _FIRST}
    if np.isnan(loss):
        kind = "not finite"
    elif loss <= 0:
        kind = "unclear"
    elif len(before) and before["working_removed"].iloc[-1] <= SLACK:
        kind = "free"
    elif cell["top_loss"] >= CARRIES * loss:
        kind = "one group"
    else:
        kind = "many groups" if cell["predicted"] >= CARRIES * loss else "together"
    return found | {"kind": kind}
