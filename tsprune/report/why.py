"""Why a prune fails, in pictures and words: groups pruned alone, their sum beside the whole, what ranks the failures.

A pair is a dataset, model and horizon. ``conditions`` has a row per pair and scope, ``cells`` one per pair, scope and
density, ``curves`` one per pair, group of weights and density of that group, ``predictors`` one per candidate.
Losses are ``MSE / dense MSE - 1``.
"""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from pandas.io.formats.style import Styler

from tsprune.errors import UserError, unknown
from tsprune.report.drawing import COLOURS, INK, MARKERS, RC, WIDTH, density_axis
from tsprune.report.figures import readable_layer
from tsprune.report.frames import NBSP, density_text, listed, need, percent
from tsprune.report.tables import styled

TOLERANCE = 0.05
"""A cell misses its accuracy above this share over dense."""
FREE = 0.05
"""Free weights are said to explain something from this share of the prunable weights on."""
NAMED = 3
"""Groups with a colour and a name in a panel of sensitivities; the others are grey."""
PREDICTORS = {
    "sparsity": "share of weights removed",
    "working_removed": "share of working weights removed",
    "norm_removed": "norm removed",
    "predicted": "losses of the groups one by one, added up",
}
_PAIR = ["dataset", "model", "pred_len"]
_CONDITION = [*_PAIR, "scope", "kind", "reason", "dead", "near_zero", "without_free", "cells", "missed", "keeps"]
_CONDITION += ["mse_dense", "mse_repeat_last"]
_FIRST = ["density", "loss", "free_removed", "norm_removed", "predicted", "top_group", "top_loss", "top_density"]
_TICKS = (0.5, 1, 1.05, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000)


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


def sensitivity_figure(curves: pd.DataFrame) -> Figure:
    """MSE relative to dense with one group of weights pruned and all else dense: a row per model, a column per dataset.

    The groups that cost most have a colour and their name; both axes are logarithmic.
    """
    need(curves, "curves", [*_PAIR, "group", "density_asked", "mse_relative"])
    models, datasets = _keys(curves, ["model", "pred_len"]), list(curves["dataset"].unique())
    several = curves["pred_len"].nunique() > 1
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 0.7 + 1.95 * len(models)), layout="constrained")
        figure.set_label("Line charts of MSE relative to dense against the density of a single group of weights.")
        grid = figure.subplots(len(models), len(datasets), squeeze=False)
        for (model, pred_len), row in zip(models, grid, strict=True):
            for dataset, axes in zip(datasets, row, strict=True):
                own = curves[(curves[_PAIR] == [dataset, model, pred_len]).all(axis=1)]
                if own.empty:
                    axes.remove()
                    continue
                axes.set_title(f"{model} · {dataset}" + (f" · horizon {pred_len}" if several else ""))
                _sensitivities(axes, own, curves["density_asked"].unique())
            row[0].set_ylabel("MSE relative\nto dense")
        for axes in grid[-1]:
            axes.set_xlabel("Density of the one group that is pruned")
    return figure


def prediction_figure(cells: pd.DataFrame) -> Figure:
    """Each cell: the losses of its groups one by one, added up, against the loss of all of them pruned together.

    A panel per scope; colour: model, sign: dataset. On the line, groups do not interact. Cells without a number, or
    whose sum lies below -1, cannot be drawn and are counted.
    """
    need(cells, "cells", [*_PAIR, "scope", "predicted", "mse_relative"])
    drawn = cells[np.isfinite(cells["predicted"]) & (cells["predicted"] > -1) & np.isfinite(cells["mse_relative"])]
    if drawn.empty:
        raise UserError(f"table 'cells': none of the {len(cells)} cells can be drawn")
    scopes, models, datasets = (list(cells[name].unique()) for name in ("scope", "model", "dataset"))
    colours = {model: COLOURS[i % len(COLOURS)] for i, model in enumerate(models)}
    signs = {dataset: MARKERS[i % len(MARKERS)] for i, dataset in enumerate(datasets)}
    ends = [*(1 + drawn["predicted"]), *drawn["mse_relative"], 1.0]
    low, high = 0.95 * min(ends), 1.08 * max(ends)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 4.9), layout="constrained")
        figure.set_label("Scatter of the loss of pruning all groups against the sum of their losses one by one.")
        row = figure.subplots(1, len(scopes), squeeze=False)[0]
        for scope, axes in zip(scopes, row, strict=True):
            axes.plot([low, high], [low, high], color=INK, linewidth=1.1, zorder=1)
            axes.axhspan(low, 1 + TOLERANCE, color="#000000", alpha=0.06, linewidth=0, zorder=0)
            for (model, dataset), own in drawn[drawn["scope"] == scope].groupby(["model", "dataset"], sort=False):
                look = {"color": colours[model], "marker": signs[dataset], "linestyle": "none", "alpha": 0.85}
                axes.plot(1 + own["predicted"], own["mse_relative"], markeredgecolor="white", markersize=6.5, **look)
            axes.set_title(scope)
            axes.set_xlabel("Predicted: 1 + losses of groups one by one")
            for axis in (axes.xaxis, axes.yaxis):
                _log_axis(axes, axis, low, high)
        row[0].set_ylabel("MSE relative to dense, all groups pruned")
        handles = [Line2D([], [], color=c, marker="s", linestyle="none", label=m) for m, c in colours.items()]
        handles += [Line2D([], [], color="#555555", marker=s, linestyle="none", label=d) for d, s in signs.items()]
        handles.append(Line2D([], [], color=INK, linewidth=1.1, label="the groups just add up"))
        figure.legend(handles=handles, loc="outside upper left", ncols=5, columnspacing=1.2, handletextpad=0.4)
        left = f" {len(cells) - len(drawn)} cells cannot be drawn." if len(drawn) < len(cells) else ""
        note = f"Grey: within {percent(TOLERANCE)} of dense. Both axes logarithmic.{left}"
        figure.supxlabel(note, fontsize=9, color="#555555", x=0.01, ha="left")
    return figure


def _explained(row: dict) -> dict[str, str]:
    """One row of :func:`why_table`."""
    told = {"condition": _condition(row)}
    if row["kind"] == "no result":
        return told
    told["keeps 5 % down to"] = density_text(row["keeps"]) if row["keeps"] < 1 else "no density tried"
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
    models = done.drop_duplicates(_PAIR)
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
    models = done.drop_duplicates(_PAIR)
    lost = models[models["mse_dense"] >= models["mse_repeat_last"]]
    if lost.empty:
        return ""
    parts = [
        f"{listed([f'**{m}**' for m in own['model'].unique()])} on {data}" for data, own in lost.groupby("dataset")
    ]
    return f"No better than repeating the last value even when dense, so with little to lose: {listed(parts)}."


def _missing(conditions: pd.DataFrame) -> str:
    bad = conditions[conditions["kind"] == "no result"].drop_duplicates(_PAIR)
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
    """A loss in percent with its sign; three digits at most carry meaning."""
    if not np.isfinite(value):
        return "not finite"
    decimals = 1 if abs(value) < 0.0995 else 0
    return f"{100 * value:+.{decimals}f}{NBSP}%".replace("-", "\u2212")


def _keys(frame: pd.DataFrame, names: list[str]) -> list[tuple]:
    return list(frame[names].drop_duplicates().itertuples(index=False, name=None))


def _sensitivities(axes: Axes, own: pd.DataFrame, densities: np.ndarray) -> None:
    """A line per group; those that cost most over all densities are named at their end, names apart from each other."""
    wide = own.pivot(index="density_asked", columns="group", values="mse_relative").sort_index(ascending=False)
    named = wide.mean().nlargest(NAMED).index
    axes.plot(wide.index, wide.drop(columns=named), color="#b5b5b5", linewidth=1, zorder=2)
    axes.axhspan(1 - TOLERANCE, 1 + TOLERANCE, color="#000000", alpha=0.06, linewidth=0, zorder=0)
    axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
    low, high = 0.97 * min(np.nanmin(wide), 0.98), 1.06 * max(np.nanmax(wide), 1.1)
    density_axis(axes, densities)
    axes.xaxis.set_major_locator(FixedLocator(_apart_in_log(sorted(densities, reverse=True))))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _log_axis(axes, axes.yaxis, low, high)
    last = wide.iloc[-1][named].sort_values(ascending=False)
    places = _apart(list(np.log(last / low) / np.log(high / low)), 0.15)
    for i, (group, place) in enumerate(zip(last.index, places, strict=True)):
        look = {"color": COLOURS[i], "marker": MARKERS[i], "markersize": 4.5, "markeredgecolor": "white"}
        axes.plot(wide.index, wide[group], linewidth=2, zorder=4 - i / 10, **look)
        words = {"transform": axes.transAxes, "va": "center", "fontsize": 8.5, "color": COLOURS[i]}
        axes.text(1.02, place, readable_layer(group), **words)


def _apart_in_log(falling: list[float]) -> list[float]:
    """The densities whose labels do not touch in a narrow panel: the lowest, and those a sixth of the range apart."""
    shown = [falling[-1]]
    for density in falling[-2::-1]:
        if np.log(density / shown[-1]) > np.log(falling[0] / falling[-1]) / 6:
            shown.append(density)
    return shown


def _apart(falling: list[float], gap: float) -> list[float]:
    """The values, each at least ``gap`` below the one before, lifted as a whole where they would end below 0."""
    places = []
    for value in falling:
        places.append(min(value, places[-1] - gap) if places else value)
    lift = max(0.0, 0.02 - min(places, default=0.02))
    return [place + lift for place in places]


def _log_axis(axes: Axes, axis: mpl.axis.Axis, low: float, high: float) -> None:
    """Log axis of errors relative to dense over any range, ticks where their labels do not touch."""
    getattr(axes, f"set_{axis.axis_name}scale")("log")
    getattr(axes, f"set_{axis.axis_name}lim")(low, high)
    shown = [1.0]
    for tick in _TICKS:
        if low <= tick <= high and min(abs(np.log(tick / s)) for s in shown) > np.log(high / low) / 9:
            shown.append(tick)
    axis.set_major_locator(FixedLocator(shown))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(zorder=0)
