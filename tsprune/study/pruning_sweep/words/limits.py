"""The verdict: its answer, then how far each model goes, what it is worth when dense, and what is not known."""

import pandas as pd

from tsprune.errors import UserError
from tsprune.report.frames import finished, level, need, need_scopes, repeat_last
from tsprune.report.text import NAIVE, bold, density_text, listed, on_data, unfinished
from tsprune.study.base.result import TOLERANCE
from tsprune.study.pruning_sweep.result import need_limits
from tsprune.study.pruning_sweep.words.answer import answer
from tsprune.study.pruning_sweep.words.common import sentence
from tsprune.study.pruning_sweep.words.reach import other_scope, reach


def verdict(cells: pd.DataFrame, naive: pd.DataFrame, limits: pd.DataFrame) -> str:
    """How far the models can be pruned, as Markdown: the answer in one sentence, then up to five of detail.

    ``cells`` has a row per cell, ``naive`` a row per naive forecast, ``limits`` a row per model, horizon, scope and
    tolerance with the lowest ``density`` that keeps the tolerance (mean over ``seeds``; 1: none below dense; NaN: a
    seed's dense training has no result) and its lowest and highest value over the seeds (``limit_low``,
    ``limit_high``).

    The first sentence speaks of one scope, the first that was run, and names it: the range over the models that,
    unpruned, beat repeating the last value at every horizon; where none does, it says so. One scope goes further than
    the other only if the two ranges over the seeds do not meet at any horizon, and never from a single seed; a model
    has fallen to the level of repeating the last value only if every seed has. Cells without a result are named.

    Raises UserError for an empty table, a missing column, a missing tolerance or repeat-last row, an unknown scope.
    """
    need(cells, "cells", ["dataset", "model", "pred_len", "seed", "scope", "density_asked", "mse"])
    need(cells, "cells", ["mse_relative", "status"])
    done = finished(cells)
    if done.empty:
        return f"{on_data(cells['dataset'])}, no forecaster could be tested: no cell finished.\n\n{unfinished(cells)}."
    need_limits(limits)
    limits = limits[(limits["tolerance"] - TOLERANCE).abs() < 1e-9]
    if limits.empty:
        raise UserError(f"table 'limits' has no row of tolerance {TOLERANCE}")
    scopes, levels = need_scopes(limits), repeat_last(naive)
    first = limits[limits["scope"] == scopes[0]]
    details = [reach(cells, first), _standing(done, naive), _survival(done, levels), _caveats(cells)]
    if len(scopes) == 2:
        details.insert(1, other_scope(first, limits[limits["scope"] == scopes[1]]))
    told = f"{on_data(cells['dataset'])}, {answer(cells, levels, first)}."
    return f"{told}\n\n" + " ".join(sentence for sentence in details if sentence)


def _standing(cells: pd.DataFrame, naive: pd.DataFrame) -> str:
    """What the dense models are worth to begin with: a small loss on top of a bad forecast is no success."""
    dense = cells[cells["density_asked"] == 1].groupby("model", sort=False)["mse"].mean().sort_values()
    if dense.empty:
        return ""
    by_name = naive.groupby("model")["mse"].mean()
    best, mse = NAIVE.get(by_name.idxmin(), by_name.idxmin()), by_name.min()
    values = listed([f"**{model}** {value:.3f}" for model, value in dense.items()])
    mean = ", mean over the horizons" if cells["pred_len"].nunique() > 1 else ""
    worse = [model for model, value in dense.items() if value >= mse]
    do = "does" if len(worse) == 1 else "do"
    verdict = f", which {bold(worse)} {do} not reach even dense" if worse else ""
    return f"Test MSE when dense{mean}: {values}; the best naive forecast ({best}) has {mse:.3f}{verdict}."


def _survival(cells: pd.DataFrame, levels: dict[int, float]) -> str:
    """Third sentence: which models come down to the level of repeating the last value."""
    by = ["model", "scope", "pred_len", "density_asked"]
    spread = cells.groupby(by, sort=False)["mse"].agg(["min", "mean"]).reset_index()
    spread["level"] = [level(levels, pred_len) for pred_len in spread["pred_len"]]
    fallen = spread[spread["min"] >= spread["level"]]
    unclear = spread[(spread["mean"] >= spread["level"]) & ~spread["model"].isin(fallen["model"])]
    dense = list(fallen.loc[fallen["density_asked"] == 1, "model"].unique())
    pruned = fallen[~fallen["model"].isin(dense)]
    parts = []
    if dense:
        no_better = "is" if len(dense) == 1 else "are"
        parts.append(f"{bold(dense)} {no_better} no better than repeating the last value even when dense")
    if not pruned.empty:
        first = listed(_first_falls(pruned, cells))
        parts.append(f"no better than repeating the last value, so not survived: {first}")
    if not unclear.empty:
        parts.append(
            f"for {bold(unclear['model'])} the seeds disagree whether the level of repeating the last value is reached"
        )
    return sentence(parts or ["no model falls to the level of repeating the last value"])


def _first_falls(pruned: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """Per model the highest density at which it has fallen, with the scope (and horizon, where several)."""
    parts = []
    for model, rows in pruned.groupby("model", sort=False):
        row = rows.loc[rows["density_asked"].idxmax()]
        where = row["scope"] if cells["pred_len"].nunique() == 1 else f"{row['scope']}, horizon {row['pred_len']}"
        parts.append(f"**{model}** at density {density_text(row['density_asked'])} ({where})")
    return parts


def _caveats(cells: pd.DataFrame) -> str:
    """Last sentence: what did not finish, and what a single seed cannot say. Empty when there is nothing to say."""
    parts = []
    if (cells["status"] != "ok").any():
        parts.append(f"{unfinished(cells)} and are left out here")
    if finished(cells)["seed"].nunique() == 1:
        parts.append("one seed only: the spread over seeds is unknown, so no model is called better than another")
    return sentence(parts)
