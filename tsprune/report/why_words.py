"""Why a prune fails, in words and tables; the frames are those of :mod:`tsprune.report.why`."""

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.errors import UserError, unknown
from tsprune.report.figures import readable_layer
from tsprune.report.frames import NBSP, density_text, listed, need, percent
from tsprune.report.phrases import bold, signed
from tsprune.report.tables import styled
from tsprune.report.why import PAIR

FREE = 0.05
"""Free weights are said to explain something from this share of the prunable weights on."""
PREDICTORS = {
    "sparsity": "share of weights removed",
    "working_removed": "share of working weights removed",
    "norm_removed": "norm removed",
    "predicted": "losses of the groups one by one, added up",
}
_CONDITION = [*PAIR, "scope", "kind", "reason", "dead", "near_zero", "without_free", "cells", "missed", "keeps"]
_CONDITION += ["mse_dense", "mse_repeat_last"]
_FIRST = ["density", "loss", "free_removed", "norm_removed", "predicted", "top_group", "top_loss", "top_density"]


def why_verdict(conditions: pd.DataFrame, predictors: pd.DataFrame) -> str:
    """What decides whether a prune fails, as Markdown. A predictor is only named where its interval excludes zero, and
    only called better than another where the difference's interval does."""
    need(conditions, "conditions", _CONDITION)
    need(predictors, "predictors", ["predictor", "pairs", "cells", "same_density", "low", "high", "worse_than_best"])
    done = conditions[conditions["kind"] != "no result"]
    if done.empty:
        return f"**No model has a result**: {conditions['reason'].iloc[0]}."
    return f"{_predictor_words(predictors)}\n\n" + " ".join(
        words for words in (_kind_words(done), _free_words(done), _standing_words(done), _missing(conditions)) if words
    )


def why_table(conditions: pd.DataFrame) -> Styler:
    """A row per dataset, model and scope: how far it keeps the accuracy, and the first cell that does not, explained.

    Raises UserError for an empty table, a missing column, an unknown kind of failure.
    """
    need(conditions, "conditions", [*_CONDITION, *(f"first_{name}" for name in _FIRST)])
    several = conditions["pred_len"].nunique() > 1
    rows = {}
    for row in conditions.to_dict("records"):
        label = (row["dataset"], row["model"], *([f"{row['pred_len']}"] if several else []), row["scope"])
        rows[label] = _explained(row)
    names = ["dataset", "model", *(["horizon"] if several else []), "scope"]
    columns = max(rows.values(), key=len)  # those of a model that fails, where one does
    table = pd.DataFrame(list(rows.values()), index=pd.MultiIndex.from_tuples(rows, names=names), columns=list(columns))
    caption = (
        "The first density that misses the accuracy (MSE more than 5 % above dense), and why. Free: dead or near zero "
        "when pruning starts. Groups: losses with one group pruned and all else dense."
    )
    return styled(table.fillna(""), caption)


def predictor_table(predictors: pd.DataFrame) -> Styler:
    """Rank correlation of each predictor with the loss: over all cells, and at equal density and scope."""
    need(predictors, "predictors", ["predictor", "all_cells", "same_density", "low", "high", "worse_than_best"])
    rows = {}
    for row in predictors.to_dict("records"):
        known = not np.isnan(row["same_density"])
        rows[_predictor(row["predictor"])] = {
            "all cells": _correlation(row["all_cells"]),
            "at equal density": _correlation(row["same_density"]) if known else "–",
            "95 % interval": f"{_correlation(row['low'])} to {_correlation(row['high'])}" if known else "–",
            "clearly behind the best": ("yes" if row["worse_than_best"] else "no") if known else "–",
        }
    first = predictors.iloc[0]
    caption = (
        f"Spearman's rank correlation with the MSE relative to dense: {first['cells']} cells of {first['pairs']} pairs "
        "of dataset and model; interval by bootstrap over the pairs. – : does not vary, or too few pairs."
    )
    return styled(pd.DataFrame(list(rows.values()), index=pd.Index(list(rows))), caption)


def _explained(row: dict) -> dict[str, str]:
    """One row of :func:`why_table`."""
    told = {"condition": _condition(row)}
    if row["kind"] == "no result":
        return told
    told["keeps 5 % down to"] = density_text(row["keeps"]) if row["keeps"] < 1 else "none"
    if row["kind"] != "keeps":
        group = f"{readable_layer(row['first_top_group'])}, {_loss(row['first_top_loss'])}"
        told |= {
            "first miss": f"{density_text(row['first_density'])}: {_loss(row['first_loss'])}",
            "groups added up": _loss(row["first_predicted"]),
            "most sensitive group": f"{group} at {density_text(row['first_top_density'])}",
            "norm removed": percent(row["first_norm_removed"]),
            "free of the removed": percent(row["first_free_removed"]),
        }
    told["free weights"] = percent(row["dead"] + row["near_zero"])
    return told | {"dense over repeat last": f"{row['mse_dense'] / row['mse_repeat_last']:.2f}"}


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
    }
    if row["kind"] not in kinds:
        raise UserError(unknown("kind of failure", row["kind"], kinds))
    words = kinds[row["kind"]]
    if row["kind"] == "one group":
        more = row["first_top_loss"] > 1.1 * row["first_loss"]
        words += "; pruning the rest makes up for a part" if more else ""
        return words.format(group=readable_layer(row["first_top_group"]))
    return words.format(reason=row["reason"])


def _predictor_words(predictors: pd.DataFrame) -> str:
    pairs, cells = predictors["pairs"].iloc[0], predictors["cells"].iloc[0]
    known = predictors.dropna(subset="same_density")
    of = f"{pairs} pairs of model and dataset, {cells} cells"
    if known.empty:
        return f"**What tells one failure from another cannot be said from this run**: {pairs} models have every cell."
    best = known.loc[known["same_density"].idxmax()]
    others = known[known["predictor"] != best["predictor"]]
    numbers = f"rank correlation {_correlation(best['same_density'])} with the loss at equal density, 95 % interval "
    numbers += f"{_correlation(best['low'])} to {_correlation(best['high'])}; {of}"
    if not best["low"] > 0:
        named = f"the best is {_predictor(best['predictor'])}, {numbers}"
        return f"**No condition holds over the models**: no candidate ranks the failures clearly ({named})."
    behind = [f"the {_short(r)}" for r in others[others["worse_than_best"]].to_dict("records")]
    level = [f"the {_short(r)}" for r in others[~others["worse_than_best"]].to_dict("records")]
    text = f"**Which model fails is told by the {_predictor(best['predictor'])}** ({numbers})"
    if behind:
        text += f", clearly better than by {listed(behind)}"
    if level:
        text += f"; not clearly better than by {listed(level)}"
    return text + "."


def _short(row: dict) -> str:
    return f"{_predictor(row['predictor'])} ({_correlation(row['same_density'])})"


def _kind_words(done: pd.DataFrame) -> str:
    """How the models fail, counted over dataset, model and scope."""
    words = {
        "one group": "one group alone costs at least half of the loss",
        "many groups": "the losses of many groups add up",
        "together": "groups that cost little one by one fail together",
        "free": "the failure begins where working weights go",
        "unclear": "the windows looked at show no loss",
        "not finite": "the forecast is not finite",
    }
    failed = done[done["kind"] != "keeps"]
    total = f"{int(done['missed'].sum())} of {int(done['cells'].sum())} cells miss the accuracy"
    if failed.empty:
        return f"No cell misses the accuracy ({total})."
    counts = failed["kind"].value_counts()
    parts = [f"in {counts[kind]} {text}" for kind, text in words.items() if kind in counts]
    kept = len(done) - len(failed)
    parts += [f"{kept} do not fail" if kept > 1 else "1 does not fail"] if kept else []
    top = failed["first_top_group"].map(lambda name: readable_layer(name).split()[-1]).value_counts()
    part = f"The most sensitive group is most often called {top.index[0]} ({top.iloc[0]} of {len(failed)})."
    return (
        f"{total}; of {len(done)} models by dataset and scope, at the first density that fails, {listed(parts)}. {part}"
    )


def _free_words(done: pd.DataFrame) -> str:
    models = done.drop_duplicates(PAIR)
    free = models["dead"] + models["near_zero"]
    change = (models["without_free"] - 1).abs().max()
    least, most = percent(free.min()), percent(free.max())
    share = most if least == most else f"{least.removesuffix(NBSP + '%')} to {most}"
    text = f"Dead or near-zero weights are {share} of the prunable ones; without them all the MSE changes by at most "
    text += f"{100 * change:.2g}{NBSP}%"
    rich = models[free >= FREE]
    if rich.empty:
        return text + ", so they are too few to explain how far a model can be pruned."
    return text + f"; only {listed(_names(rich))} can lose {percent(FREE)} or more that way."


def _standing_words(done: pd.DataFrame) -> str:
    models = done.drop_duplicates(PAIR)
    lost = models[models["mse_dense"] >= models["mse_repeat_last"]]
    if lost.empty:
        return ""
    parts = [f"{bold(own['model'])} on {data}" for data, own in lost.groupby("dataset")]
    return f"No better than repeating the last value even when dense, so with little to lose: {listed(parts)}."


def _missing(conditions: pd.DataFrame) -> str:
    bad = conditions[conditions["kind"] == "no result"].drop_duplicates(PAIR)
    return f"Without a result: {listed(_names(bad))}." if len(bad) else ""


def _names(rows: pd.DataFrame) -> list[str]:
    return [f"**{row['model']}** on {row['dataset']}" for row in rows.to_dict("records")]


def _predictor(name: str) -> str:
    if name not in PREDICTORS:
        raise UserError(unknown("predictor", name, PREDICTORS))
    return PREDICTORS[name]


def _correlation(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")


def _loss(value: float) -> str:
    return signed(value) if np.isfinite(value) else "not finite"
