"""Why a prune fails, in words: a first sentence to repeat, then the details."""

import pandas as pd

from tsprune.report.frames import need
from tsprune.report.text import NBSP, between, bold, listed, literal, on_data, percent, readable_layer
from tsprune.study.base.result import TOLERANCE
from tsprune.study.base.words import LAST_VALUE, all_of
from tsprune.study.why.result import (
    FREE,
    KINDS,
    LEAST_PAIRS,
    PAIR,
    PLAIN_PREDICTORS,
    UNKNOWN,
    correlation_text,
    need_kinds,
    predictor_words,
)


def verdict(conditions: pd.DataFrame, predictors: pd.DataFrame) -> str:
    """What decides whether a prune fails, as Markdown. A predictor is only named where its interval excludes zero, and
    only called better than another where the difference's interval does.

    What makes the question idle stands first: that nothing failed, or that no model beats repeating the last value.
    Raises UserError for an empty table, a missing column, an unknown predictor.
    """
    need_kinds(conditions)
    need(predictors, "predictors", ["predictor", "pairs", "cells", "same_density", "low", "high", "worse_than_best"])
    done = conditions[~conditions["kind"].isin(UNKNOWN)]
    data = on_data(conditions["dataset"])
    if done.empty:
        yet = (conditions["kind"] == "not run").all()
        why = "cannot be said yet: none has run" if yet else "cannot be said: none has a result"
        return f"{data}, why pruned forecasters fail {why}.\n\n{'' if yet else conditions['reason'].iloc[0]}".strip()
    told = (_predictor_words(predictors), _kind_words(done), _free_words(done), _standing_words(done))
    details = " ".join(words for words in (*told, _missing(conditions)) if words)
    return f"{data}, {_answer(done, predictors)}.\n\n{details}"


def _answer(done: pd.DataFrame, predictors: pd.DataFrame) -> str:
    """The first sentence, from the data on."""
    models = done.drop_duplicates(PAIR)
    if (models["mse_dense"] >= models["mse_repeat_last"]).all():
        does = f"**{models['model'].iloc[0]}** does" if len(models) == 1 else f"{all_of(len(models))} forecasters do"
        return f"{does} no better than {LAST_VALUE}, even unpruned, so what pruning changes matters little (one seed)"
    if not done["cells"].any():
        return "nothing was pruned, so no failure needs explaining (one seed)"
    if not done["missed"].any():
        none = f"none of {int(done['cells'].sum())} prunings"
        return f"{none} raises forecast error by over {percent(TOLERANCE)}, so no failure needs explaining (one seed)"
    known = predictors.dropna(subset="same_density")
    if known.empty:
        pairs = predictors["pairs"].iloc[0]
        why = f"only {pairs} finished every pruning" if pairs < LEAST_PAIRS else f"all {pairs} lost the same"
        return f"it cannot be said why one forecaster fails when pruned and another does not: {why}"
    best = known.loc[known["same_density"].idxmax()]
    plain = predictor_words(best["predictor"], PLAIN_PREDICTORS)
    agrees = f"{correlation_text(best['same_density'])} of 1, {correlation_text(best['low'])} to "
    agrees += correlation_text(best["high"])
    if not best["low"] > 0:
        return (
            "nothing tried predicts beyond chance which pruned forecaster will fail: the closest, "
            f"{plain}, agrees {agrees}"
        )
    others = known[known["predictor"] != best["predictor"]]
    well = "best " if len(others) and others["worse_than_best"].all() else ""
    return f"how much a forecaster's error grows when pruned is {well}predicted by {plain} (agreement {agrees})"


def _predictor_words(predictors: pd.DataFrame) -> str:
    """The best predictor in the field's terms, and which others it is clearly better than."""
    known = predictors.dropna(subset="same_density")
    if known.empty:
        pairs = predictors["pairs"].iloc[0]
        if pairs >= LEAST_PAIRS:
            return f"All {pairs} pairs of model and dataset lost the same at equal density: there is nothing to rank."
        has = "has" if pairs == 1 else "have"
        return f"A rank correlation needs three pairs of model and dataset with every cell: {pairs} {has} them."
    best = known.loc[known["same_density"].idxmax()]
    others = known[known["predictor"] != best["predictor"]]
    low, high = correlation_text(best["low"]), correlation_text(best["high"])
    text = (
        f"Rank correlation of the {predictor_words(best['predictor'])} with the loss at equal density: "
        f"{correlation_text(best['same_density'])}, 95{NBSP}% interval {low} to {high}; {best['pairs']} pairs of model "
        f"and dataset, {best['cells']} cells"
    )
    parts = [
        f"{how} {listed([f'the {_with_correlation(row)}' for row in rows.to_dict('records')])}"
        for how, rows in (
            ("clearly better than", others[others["worse_than_best"]]),
            ("not clearly better than", others[~others["worse_than_best"].astype(bool)]),
        )
        if len(rows)
    ]
    return "; ".join([text, *parts]) + "."


def _with_correlation(row: dict) -> str:
    return f"{predictor_words(row['predictor'])} ({correlation_text(row['same_density'])})"


def _kind_words(done: pd.DataFrame) -> str:
    """What makes most models fail, and through which group; :func:`tables.counts` has every kind."""
    failed = done[done["kind"] != "keeps"]
    if failed.empty:
        return ""
    kinds = failed["kind"].value_counts()
    most = " and in as many ".join(KINDS[kind] for kind in KINDS if kinds.get(kind, 0) == kinds.max())
    of = f"{kinds.max()} of {len(failed)} failures (by dataset, model and scope)" if len(failed) > 1 else "the failure"
    return f"In {of} {most}. {_group_words(failed)}"


def _group_words(failed: pd.DataFrame) -> str:
    """Which group is the most sensitive: a model on a dataset counts once, for the group that is so in every scope."""
    named = failed.assign(top=failed["first_top_group"].map(readable_layer))
    tops = named.groupby(PAIR, sort=False)["top"].unique()
    groups = tops[tops.map(len) == 1].str[0].value_counts()
    one_dataset = failed["dataset"].nunique() == 1
    if groups.sum() == len(groups) == len(tops) > 1:
        return f"The most sensitive group is another one in each model{'' if one_dataset else ' and dataset'}."
    if groups.empty or groups.max() == 1 < len(tops):
        return f"Which group is the most sensitive differs between {'models and ' * (len(tops) > 1)}ways to cut."
    names = " and, as often, ".join(sorted(groups.index[groups == groups.max()]))
    if len(tops) == 1:
        return f"The most sensitive group is {names}."
    of = "models" if one_dataset else "models by dataset"
    however = ", however they are cut" if failed["scope"].nunique() > 1 else ""
    return f"The most sensitive group is most often {names} (in {groups.max()} of {len(tops)} {of}{however})."


def _free_words(done: pd.DataFrame) -> str:
    models = done.drop_duplicates(PAIR)
    free = models["dead"] + models["near_zero"]
    change = (models["without_free"] - 1).abs().max()
    share = between(percent(free.min()), percent(free.max()), f"{NBSP}%")
    text = (
        f"Dead or near-zero weights are {share} of the prunable ones; removing them all changes the MSE by at most "
        f"{100 * change:.2g}{NBSP}%"
    )
    rich = models[free >= FREE]
    if rich.empty:
        return text + ", so they are too few to explain how far a model can be pruned."
    return text + f"; only {listed(_names(rich))} can lose {percent(FREE)} or more that way."


def _standing_words(done: pd.DataFrame) -> str:
    models = done.drop_duplicates(PAIR)
    lost = models[models["mse_dense"] >= models["mse_repeat_last"]]
    if lost.empty:
        return ""
    parts = [f"{bold(own['model'])} on {literal(data)}" for data, own in lost.groupby("dataset")]
    return f"No better than repeating the last value even when dense, so with little to lose: {listed(parts)}."


def _missing(conditions: pd.DataFrame) -> str:
    parts = []
    for kind, words in (("no result", "Without a result"), ("not run", "Not run yet")):
        missing = conditions[conditions["kind"] == kind].drop_duplicates(PAIR)
        parts += [f"{words}: {_by_data(missing)}."] if len(missing) else []
    return " ".join(parts)


def _by_data(rows: pd.DataFrame) -> str:
    """The models by dataset and, where there are several, horizon."""
    several = rows["pred_len"].nunique() > 1
    return "; ".join(
        f"{bold(own['model'])} on {literal(data)}" + (f" at horizon {pred_len}" if several else "")
        for (data, pred_len), own in rows.groupby(["dataset", "pred_len"], sort=False)
    )


def _names(rows: pd.DataFrame) -> list[str]:
    return [f"**{row['model']}** on {literal(row['dataset'])}" for row in rows.to_dict("records")]
