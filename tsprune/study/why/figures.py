"""Why a prune fails, in pictures: groups pruned alone, and their sum beside the whole."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsprune.report import drawing as kit
from tsprune.report.axes import REFERENCE, density_axis, log_axis, relative_axis, round_numbers
from tsprune.report.cases import case_title, cases, of_case
from tsprune.report.frames import NoRows, need
from tsprune.report.text import counted, none_of, percent, readable_layer
from tsprune.study.base.looks import model_looks
from tsprune.study.base.result import TOLERANCE
from tsprune.study.why.result import PAIR

NAMED = 3
"""Groups with a colour and a name in a panel of sensitivities; the others are grey."""


def sensitivity(curves: pd.DataFrame) -> Figure:
    """MSE relative to dense with one group of weights pruned and all else dense: a row per model, a column per dataset.

    The groups that cost most have a colour and their name; both axes are logarithmic.
    """
    need(curves, "curves", [*PAIR, "group", "density_asked", "mse_relative"])
    keys, datasets = cases(curves), list(curves["dataset"].unique())
    alt = "Line charts of MSE relative to dense against the density of a single group of weights."
    with kit.canvas(0.7 + 1.95 * len(keys), alt) as figure:
        grid = figure.subplots(len(keys), len(datasets), squeeze=False)
        for (model, pred_len), row in zip(keys, grid, strict=True):
            for dataset, axes in zip(datasets, row, strict=True):
                own = of_case(curves[curves["dataset"] == dataset], model, pred_len)
                if own.empty:
                    axes.remove()
                    continue
                axes.set_title(case_title(curves, f"{model} · {dataset}", pred_len))
                _sensitivities(axes, own, curves["density_asked"].unique())
            row[0].set_ylabel("MSE relative to\ndense (log scale)")
        for axes in grid[-1]:
            axes.set_xlabel("Density of the one group pruned (log scale)")
        kit.note(figure, f"Grey band: within {percent(TOLERANCE)} of dense. Grey lines: the other groups.")
    return figure


def _sensitivities(axes: Axes, own: pd.DataFrame, densities: np.ndarray) -> None:
    """A line per group; those that cost most over all densities are named at their end, names apart from each other."""
    wide = own.pivot(index="density_asked", columns="group", values="mse_relative").sort_index(ascending=False)
    named = wide.mean().nlargest(NAMED).index
    axes.plot(wide.index, wide.drop(columns=named), color="#b5b5b5", linewidth=1, zorder=2)
    axes.axhspan(1 - TOLERANCE, 1 + TOLERANCE, **kit.WITHIN)
    low, high = 0.97 * min(np.nanmin(wide), 0.98), 1.06 * max(np.nanmax(wide), 1.1)
    density_axis(axes, densities)
    relative_axis(axes, low, high)
    last = wide.iloc[-1][named].sort_values(ascending=False)
    places = _apart(list(np.log(last / low) / np.log(high / low)), 0.15)
    for i, ((group, (colour, marker)), place) in enumerate(zip(kit.looks(last.index).items(), places, strict=True)):
        look = {"color": colour, "marker": marker, "markersize": 4.5, "markeredgecolor": "white"}
        axes.plot(wide.index, wide[group], linewidth=2, zorder=4 - i / 10, **look)
        words = {"transform": axes.transAxes, "va": "center", "fontsize": 8.5, "color": colour}
        axes.text(1.02, place, readable_layer(group), **words)


def _apart(falling: list[float], gap: float) -> list[float]:
    """The values, each at least ``gap`` below the one before, lifted as a whole where they would end below 0."""
    places = []
    for value in falling:
        places.append(min(value, places[-1] - gap) if places else value)
    lift = max(0.0, 0.02 - min(places, default=0.02))
    return [place + lift for place in places]


def prediction(cells: pd.DataFrame) -> Figure:
    """Each cell: the losses of its groups one by one, added up, against the loss of all of them pruned together.

    A panel per scope; colour: model, sign: dataset. On the line, groups do not interact. Cells without a number, or
    whose sum lies below -1, cannot be drawn and are counted.
    """
    need(cells, "cells", [*PAIR, "scope", "predicted", "mse_relative"])
    drawn = cells[np.isfinite(cells["predicted"]) & (cells["predicted"] > -1) & np.isfinite(cells["mse_relative"])]
    if drawn.empty:
        raise NoRows(f"table 'cells': {none_of(len(cells), 'cell')} can be drawn")
    scopes = list(cells["scope"].unique())
    colours = {model: colour for model, (colour, _) in model_looks(cells["model"].unique()).items()}
    signs = {dataset: marker for dataset, (_, marker) in kit.looks(cells["dataset"].unique()).items()}
    ends = [*(1 + drawn["predicted"]), *drawn["mse_relative"], 1.0]
    low, high = 0.95 * min(ends), 1.08 * max(ends)
    alt = "Scatter of the loss of pruning all groups against the sum of their losses one by one."
    with kit.canvas(4.9, alt) as figure:
        row = figure.subplots(1, len(scopes), squeeze=False)[0]
        for scope, axes in zip(scopes, row, strict=True):
            axes.plot([low, high], [low, high], **REFERENCE)
            axes.axhspan(low, 1 + TOLERANCE, **kit.WITHIN)
            for (model, dataset), own in drawn[drawn["scope"] == scope].groupby(["model", "dataset"], sort=False):
                look = {"color": colours[model], "marker": signs[dataset], "linestyle": "none", "alpha": 0.85}
                axes.plot(1 + own["predicted"], own["mse_relative"], markeredgecolor="white", markersize=6.5, **look)
            axes.set_title(scope)
            axes.set_xlabel("Predicted: 1 + losses of groups one by one")
            for axis in (axes.xaxis, axes.yaxis):
                log_axis(axis, low, high, [1.0, *round_numbers(low, high)])
            axes.grid(zorder=0)
        row[0].set_ylabel("MSE relative to dense, all groups pruned")
        of_models = [kit.handle(model, colour, "s", linestyle="none") for model, colour in colours.items()]
        of_datasets = [kit.handle(dataset, "#555555", sign, linestyle="none") for dataset, sign in signs.items()]
        kit.legend(figure, [*of_models, *of_datasets, kit.handle("the groups just add up")])
        left = f"{counted(len(cells) - len(drawn), 'cell')} cannot be drawn." if len(drawn) < len(cells) else ""
        kit.note(figure, f"Grey: within {percent(TOLERANCE)} of dense. Both axes logarithmic.", left)
    return figure
