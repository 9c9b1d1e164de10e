"""Tables of why a prune fails."""

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.errors import UserError, unknown
from tsprune.report.frames import need
from tsprune.report.tables import styled
from tsprune.report.text import counted, density_text, percent, readable_layer, signed
from tsprune.study.base.result import TOLERANCE
from tsprune.study.why.result import CONDITIONS, FIRST, KINDS, UNKNOWN, correlation_text, need_kinds, predictor_words


def conditions(conditions: pd.DataFrame) -> Styler:
    """A row per model and scope, of several datasets or horizons for each: how far it keeps the accuracy, and the first
    cell that does not, explained.

    Raises UserError for an empty table, a missing column, an unknown kind of failure.
    """
    need(conditions, "conditions", [*CONDITIONS, *(f"first_{name}" for name in FIRST)])
    varied = {"dataset": "dataset", "pred_len": "horizon"}
    names = {name: words for name, words in varied.items() if conditions[name].nunique() > 1}
    names |= {"model": "model", "scope": "scope"}
    rows = {tuple(str(row[name]) for name in names): _explained(row) for row in conditions.to_dict("records")}
    columns = max(rows.values(), key=len)  # those of a model that fails, where one does
    table = pd.DataFrame(
        list(rows.values()), index=pd.MultiIndex.from_tuples(rows, names=list(names.values())), columns=list(columns)
    )
    caption = (
        f"The first density that misses the accuracy (MSE more than {percent(TOLERANCE)} above dense), and why. Free: "
        "dead or near zero when pruning starts. Groups: losses with one group pruned and all else dense."
    )
    return styled(table.fillna(""), caption)


def counts(conditions: pd.DataFrame) -> Styler:
    """How many models (by dataset and scope) fail in which way. Raises UserError for an unknown kind of failure."""
    need_kinds(conditions)
    scopes = list(conditions["scope"].unique())
    rows = {
        words: {
            scope: str(int(((conditions["kind"] == kind) & (conditions["scope"] == scope)).sum())) for scope in scopes
        }
        for kind, words in KINDS.items()
        if (conditions["kind"] == kind).any()
    }
    table = pd.DataFrame(list(rows.values()), index=pd.Index(list(rows)), columns=scopes)
    done = conditions[~conditions["kind"].isin(UNKNOWN)]
    missed, cells = int(done["missed"].sum()), int(done["cells"].sum())
    of = f"; {missed} of {counted(cells, 'cell')} miss the accuracy" if cells else ""
    caption = f"Models by dataset and scope, at the first density that fails{of}."
    return styled(table, caption)


def predictors(predictors: pd.DataFrame) -> Styler:
    """Rank correlation of each predictor with the loss: over all cells, and at equal density and scope."""
    need(predictors, "predictors", ["predictor", "all_cells", "same_density", "low", "high", "worse_than_best"])
    rows = {}
    for row in predictors.to_dict("records"):
        known = not np.isnan(row["same_density"])
        rows[predictor_words(row["predictor"])] = {
            "all cells": correlation_text(row["all_cells"]) if not np.isnan(row["all_cells"]) else "–",
            "at equal density": correlation_text(row["same_density"]) if known else "–",
            "95 % interval": f"{correlation_text(row['low'])} to {correlation_text(row['high'])}" if known else "–",
            "clearly behind the best": ("yes" if row["worse_than_best"] else "no") if known else "–",
        }
    first = predictors.iloc[0]
    caption = (
        f"Spearman's rank correlation with the MSE relative to dense: {counted(first['cells'], 'cell')} of "
        f"{counted(first['pairs'], 'pair')} of dataset and model; interval by bootstrap over the pairs. "
        "– : does not vary, or too few pairs."
    )
    return styled(pd.DataFrame(list(rows.values()), index=pd.Index(list(rows))), caption)


def _explained(row: dict) -> dict[str, str]:
    """One row of :func:`conditions`."""
    told = {"condition": _condition(row)}
    if row["kind"] in UNKNOWN:
        return told
    told[f"keeps {percent(TOLERANCE)} down to"] = density_text(row["keeps"]) if row["keeps"] < 1 else "none"
    if row["kind"] != "keeps":
        group = f"{readable_layer(row['first_top_group'])}, {_loss(row['first_top_loss'])}"
        told |= {
            "first miss": f"{density_text(row['first_density'])}: {_loss(row['first_loss'])}",
            "groups added up": _loss(row["first_predicted"]),
            "most sensitive group": f"{group} at {density_text(row['first_top_density'])}",
            "norm removed": percent(row["first_norm_removed"]),
            "free of the removed": percent(row["first_free_removed"]),
        }
    return told | {"free weights": percent(row["dead"] + row["near_zero"])}


def _condition(row: dict) -> str:
    """The kind of failure in words. Raises UserError for an unknown kind."""
    kinds = {
        "keeps": "does not fail within the grid",
        "free": "fails once working weights go: before, only dead and near-zero ones did",
        "one group": "fails through the {group}",
        "many groups": "fails in many groups, none of them alone: their losses add up",
        "together": "fails through groups pruned together: one by one they cost little",
        "unclear": "misses on all test windows, not on those looked at here",
        "not finite": "the forecast is not finite",
        "no result": "no result: {reason}",
        "not run": "not run yet",
    }
    if row["kind"] not in kinds:
        raise UserError(unknown("kind of failure", row["kind"], kinds))
    words = kinds[row["kind"]]
    if row["kind"] == "one group":
        more = row["first_top_loss"] > 1.1 * row["first_loss"]
        words += "; pruning the rest makes up for a part" if more else ""
        return words.format(group=readable_layer(row["first_top_group"]))
    return words.format(reason=row["reason"])


def _loss(value: float) -> str:
    return signed(value) if np.isfinite(value) else "not finite"
