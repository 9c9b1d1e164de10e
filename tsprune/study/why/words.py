"""Why a prune fails, in words and tables; the frames are those of :mod:`tsprune.report.why`."""

import pandas as pd

from tsprune.report.frames import need
from tsprune.report.text import NBSP, bold, listed, percent, readable_layer
from tsprune.study.why.figures import PAIR
from tsprune.study.why.result import CONDITIONS, FREE
from tsprune.study.why.tables import _correlation, _predictor


def verdict(conditions: pd.DataFrame, predictors: pd.DataFrame) -> str:
    """What decides whether a prune fails, as Markdown. A predictor is only named where its interval excludes zero, and
    only called better than another where the difference's interval does."""
    need(conditions, "conditions", CONDITIONS)
    need(predictors, "predictors", ["predictor", "pairs", "cells", "same_density", "low", "high", "worse_than_best"])
    done = conditions[conditions["kind"] != "no result"]
    if done.empty:
        return f"**No model has a result**: {conditions['reason'].iloc[0]}."
    return f"{_predictor_words(predictors)}\n\n" + " ".join(
        words for words in (_kind_words(done), _free_words(done), _standing_words(done), _missing(conditions)) if words
    )


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
