"""Why a prune fails, in pictures: groups pruned alone, their sum beside the whole, what ranks the failures.

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

from tsprune.errors import UserError
from tsprune.report.drawing import COLOURS, INK, MARKERS, RC, WIDTH, case_title, density_axis, note
from tsprune.report.frames import need
from tsprune.report.text import percent, readable_layer
from tsprune.study.base.result import TOLERANCE
from tsprune.study.why.result import PAIR

NAMED = 3
"""Groups with a colour and a name in a panel of sensitivities; the others are grey."""

_TICKS = (0.5, 1, 1.05, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000)


def sensitivity(curves: pd.DataFrame) -> Figure:
    """MSE relative to dense with one group of weights pruned and all else dense: a row per model, a column per dataset.

    The groups that cost most have a colour and their name; both axes are logarithmic.
    """
    need(curves, "curves", [*PAIR, "group", "density_asked", "mse_relative"])
    models, datasets = _keys(curves, ["model", "pred_len"]), list(curves["dataset"].unique())
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 0.7 + 1.95 * len(models)), layout="constrained")
        figure.set_label("Line charts of MSE relative to dense against the density of a single group of weights.")
        grid = figure.subplots(len(models), len(datasets), squeeze=False)
        for (model, pred_len), row in zip(models, grid, strict=True):
            for dataset, axes in zip(datasets, row, strict=True):
                own = curves[(curves[PAIR] == [dataset, model, pred_len]).all(axis=1)]
                if own.empty:
                    axes.remove()
                    continue
                axes.set_title(case_title(curves, f"{model} · {dataset}", pred_len))
                _sensitivities(axes, own, curves["density_asked"].unique())
            row[0].set_ylabel("MSE relative\nto dense")
        for axes in grid[-1]:
            axes.set_xlabel("Density of the one group that is pruned")
    return figure


def prediction(cells: pd.DataFrame) -> Figure:
    """Each cell: the losses of its groups one by one, added up, against the loss of all of them pruned together.

    A panel per scope; colour: model, sign: dataset. On the line, groups do not interact. Cells without a number, or
    whose sum lies below -1, cannot be drawn and are counted.
    """
    need(cells, "cells", [*PAIR, "scope", "predicted", "mse_relative"])
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
        note(figure, f"Grey: within {percent(TOLERANCE)} of dense. Both axes logarithmic.{left}")
    return figure


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
