"""The verdict: its answer, then how far each model goes, what it is worth when dense, and what is not known."""

import pandas as pd

from tsprune.errors import UserError
from tsprune.report.cases import CASE
from tsprune.report.frames import finished, need, need_scopes, repeat_last
from tsprune.report.status import not_run
from tsprune.report.text import density_text, listed, on_data, unfinished
from tsprune.study.base.result import TOLERANCE
from tsprune.study.base.words import LAST_VALUE, no_better, unjudged
from tsprune.study.pruning_sweep.result import need_limits
from tsprune.study.pruning_sweep.words.answer import answer
from tsprune.study.pruning_sweep.words.common import alike, in_brackets, of_seeds, sentences
from tsprune.study.pruning_sweep.words.reach import left_out, other_scope, reach
from tsprune.study.pruning_sweep.words.standing import standing, unskilled


def verdict(cells: pd.DataFrame, naive: pd.DataFrame, limits: pd.DataFrame) -> str:
    """How far the models can be pruned, as Markdown: the answer in one sentence, then a list of details.

    ``cells`` has a row per cell, ``naive`` a row per naive forecast, ``limits`` a row per model, horizon, scope and
    tolerance with the lowest ``density`` that keeps the tolerance (mean over the ``known`` of the ``seeds``; 1: none
    below dense; NaN: none is known, or a seed's dense training failed) and its lowest and highest value over these
    seeds (``limit_low``, ``limit_high``).

    The first sentence speaks of one scope, the first that was run, and names it: the range over the models that,
    unpruned, beat repeating the last value at every horizon; where none does, it says so. Models are compared only at
    horizons that all of them have run. One scope goes further than the other only if the two ranges over the seeds do
    not meet at any horizon, and never from a single seed; a model has fallen to the level of repeating the last value
    only if every seed has that has run. Cells without a result are named.

    Raises UserError for an empty table, a missing column, a missing tolerance, an unknown scope.
    """
    need(cells, "cells", ["dataset", "model", "pred_len", "seed", "scope", "density_asked", "mse"])
    need(cells, "cells", ["mse_relative", "status"])
    done = finished(cells)
    if done.empty:
        why = "has been tested yet" if not_run(cells["status"]) else "could be tested: no cell finished"
        return f"{on_data(cells['dataset'])}, no forecaster {why}.\n\n{unfinished(cells)}."
    need_limits(limits)
    limits = limits[(limits["tolerance"] - TOLERANCE).abs() < 1e-9]
    if limits.empty:
        raise UserError(f"table 'limits' has no row of tolerance {TOLERANCE}")
    scopes, levels = need_scopes(limits), repeat_last(naive)
    every = limits[limits["scope"] == scopes[0]]
    at = alike(every[every["known"] > 0]) or list(every["pred_len"].unique())
    first, fair = every[every["pred_len"].isin(at)], cells[cells["pred_len"].isin(at)]
    details = [left_out(every, at), standing(cells, naive), _survival(cells, levels)]
    details += unjudged(_dense(cells), levels, LAST_VALUE)
    if (cells["density_asked"] < 1).any():
        second = limits[(limits["scope"] == scopes[-1]) & limits["pred_len"].isin(at)]
        details = [reach(fair, first), other_scope(first, second) if len(scopes) == 2 else "", *details]
    told = f"{on_data(cells['dataset'])}{_at(every, at)}, {answer(fair, levels, first, brief=bool(_at(every, at)))}."
    remark = unskilled(fair, naive, _furthest(fair, levels, first))
    beside = f"*{remark}*\n\n" if remark else ""
    return f"{told}\n\n{beside}" + "\n".join(f"- {words}" for words in [*details, _caveats(cells)] if words)


def _furthest(cells: pd.DataFrame, levels: dict[int, float], limits: pd.DataFrame) -> list[str]:
    """The models that the answer says can be pruned furthest; none where none can, or none beats the last value."""
    own = limits[~limits["model"].isin(no_better(_dense(cells), levels).index.unique(0)) & (limits["density"] < 1)]
    return list(own.loc[own["density"] == own["density"].min(), "model"].unique())


def _dense(cells: pd.DataFrame) -> pd.Series:
    """MSE of each model and horizon, unpruned."""
    return finished(cells).query("density_asked == 1").groupby(CASE, sort=False)["mse"].mean()


def _at(limits: pd.DataFrame, at: list[int]) -> str:
    """The horizons that the answer is about, where the study has more."""
    if len(at) == limits["pred_len"].nunique():
        return ""
    return f" (horizon {at[0]})" if len(at) == 1 else f" ({len(at)} horizons)"


def _survival(every: pd.DataFrame, levels: dict[int, float]) -> str:
    """Third sentence: which models come down to the level of repeating the last value, as far as they have run."""
    by, cells = ["model", "scope", "pred_len", "density_asked"], finished(every)
    spread = cells.groupby(by, sort=False)["mse"].agg(["min", "mean", "count"]).reset_index()
    spread["seeds"] = [of_seeds(count, every["seed"].nunique()) for count in spread["count"]]
    spread["level"] = spread["pred_len"].map(levels).astype(float)
    if spread["level"].isna().all():
        return ""
    fallen = spread[spread["min"] >= spread["level"]]
    unpruned = fallen[fallen["density_asked"] == 1].drop_duplicates("model")
    unclear = _before_it_falls(spread[spread["mean"] >= spread["level"]], fallen)
    dense = [f"**{row['model']}**{in_brackets(row['seeds'])}" for row in unpruned.to_dict("records")]
    pruned = fallen[~fallen["model"].isin(unpruned["model"])]
    parts = []
    if dense:
        no_better = "is" if len(dense) == 1 else "are"
        parts.append(f"{listed(dense)} {no_better} no better than repeating the last value even when dense")
    if not pruned.empty:
        first = listed(_first_falls(pruned, cells))
        parts.append(f"no better than repeating the last value once pruned: {first}")
    if not unclear.empty:
        first = listed(_first_falls(unclear, cells))
        parts.append(f"no better than repeating the last value on average, but not with every seed: {first}")
    so_far = "of what has run so far, " if not_run(every["status"]) else ""
    return sentences(parts or [f"{so_far}no model falls to the level of repeating the last value"])


def _before_it_falls(worse: pd.DataFrame, fallen: pd.DataFrame) -> pd.DataFrame:
    """Those of ``worse``, by their mean, at a higher density than any of the same model, scope and horizon at which
    every seed has fallen."""
    by = ["model", "scope", "pred_len"]
    first = fallen.groupby(by)["density_asked"].max().rename("first")
    kept = worse.join(first, on=by)
    return kept[~(kept["density_asked"] <= kept["first"])]


def _first_falls(pruned: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """Per model and scope the highest density at which it has fallen, with the scope (and horizon, where several)."""
    parts = []
    for model, rows in pruned.groupby("model", sort=False):
        scopes_of: dict[tuple[str, ...], list[str]] = {}
        for scope, own in rows.groupby("scope", sort=False):
            row = own.loc[own["density_asked"].idxmax()]
            horizon = f"horizon {row['pred_len']}" if cells["pred_len"].nunique() > 1 else ""
            scopes_of.setdefault((density_text(row["density_asked"]), horizon, row["seeds"]), []).append(scope)
        found = [
            f"{density} ({', '.join(part for part in (listed(scopes), *rest) if part)})"
            for (density, *rest), scopes in scopes_of.items()
        ]
        parts.append(f"**{model}** at density {listed(found)}")
    return parts


def _caveats(cells: pd.DataFrame) -> str:
    """Last sentence: what did not finish, and what a single seed cannot say. Empty when there is nothing to say."""
    parts = []
    if (cells["status"] != "ok").any():
        parts.append(f"{unfinished(cells)} and are left out here")
    if finished(cells)["seed"].nunique() == 1:
        parts.append("one seed only: the spread over seeds is unknown, so no model is called better than another")
    return sentences(parts)
