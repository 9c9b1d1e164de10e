"""Figures from tidy tables. Drawn without pyplot, so that a notebook shows each exactly once."""

import math
from itertools import product

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tsprune.errors import UserError
from tsprune.report.drawing import (
    COLOURS,
    INK,
    MARKERS,
    RC,
    WIDTH,
    case_title,
    density_axis,
    handle,
    note,
    relative_axis,
    spread_note,
)
from tsprune.report.frames import finished, level, need, need_scopes, repeat_last
from tsprune.report.text import SCOPES, _short, density_labels, readable_layer
from tsprune.study.base.result import TOLERANCE
from tsprune.study.pruning_sweep.result import PAPER, STRUCTURES

_LABELLED = 6
"""Densities that a heat map has room to label, and whose cells hold their number."""

HIGHEST = 8.0
"""Nothing above this multiple of the dense MSE is drawn to scale: such a forecast is of no use."""


def sweep(cells: pd.DataFrame, naive: pd.DataFrame) -> Figure:
    """MSE relative to dense against density: a panel per horizon and scope, a line per model.

    Line: mean over the seeds at the mean achieved density; band: lowest to highest seed. The line at 1 is the dense
    model, the band above it the models within 5 %. A dotted line and an arrow at the margin, in the model's colour,
    are the MSE of repeating the last value over the mean dense MSE of that model and horizon. Both axes are
    logarithmic; a value above the axis sits at its upper edge as an open triangle, and a note gives the largest.
    A cross at the lower edge marks a density at which a cell of that model did not finish.

    ``cells`` has a row per cell, ``naive`` a row per naive forecast and horizon. Raises UserError for an empty
    table, a missing column, more than one dataset, no finished cell, an unknown scope, no repeat-last row.
    """
    columns = ["dataset", "model", "pred_len", "seed", "scope", "density_asked", "density", "mse", "mse_relative"]
    need(cells, "cells", [*columns, "status"])
    if cells["dataset"].nunique() > 1:
        raise UserError(f"sweep draws one dataset, got {', '.join(map(str, cells['dataset'].unique()))}")
    done = finished(cells)
    if done.empty:
        raise UserError(f"table 'cells': none of the {len(cells)} cells finished, there is nothing to draw")
    levels = repeat_last(naive)
    looks = {
        model: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, model in enumerate(cells["model"].unique())
    }
    relative = _relative_levels(done, levels)
    top = _top(done, relative)
    bottom = min(0.93, 0.97 * done["mse_relative"].min())
    scopes, horizons = need_scopes(cells), sorted(cells["pred_len"].unique())
    with mpl.rc_context(RC):
        figure, panels = _panels([f"{h}" for h in horizons], scopes)
        figure.set_label(_sweep_alt(cells, looks))
        for (pred_len, scope), axes in zip(product(horizons, scopes), panels, strict=True):
            panel = cells[(cells["pred_len"] == pred_len) & (cells["scope"] == scope)]
            _reference(axes, relative, pred_len, looks, top)
            for model, (colour, marker) in looks.items():
                _model_line(axes, panel[panel["model"] == model], colour, marker, top)
            title = f"{scope.capitalize()}: {SCOPES[scope]}"
            axes.set_title(title if len(horizons) == 1 else f"Horizon {pred_len} · {scope}")
            density_axis(axes, cells["density_asked"].unique())
            relative_axis(axes, bottom, top)
        _legend(figure, looks, cells, done, top, relative)
    return figure


def _panels(horizons: list[str], scopes: list[str]) -> tuple[Figure, list[Axes]]:
    """A figure with a panel per horizon and scope, in that order, two side by side, labels at the outer edge."""
    count = len(horizons) * len(scopes)
    columns = min(2, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(WIDTH, 1.15 + (3.35 if rows == 1 else 2.75) * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    panels = list(grid.flat)
    for axes in panels[count:]:
        axes.remove()
    for i, axes in enumerate(panels[:count]):
        axes.label_outer(remove_inner_ticks=True)
        if i % columns == 0:
            axes.set_ylabel("MSE relative to dense\n(ratio, log scale)")
        if i + columns >= count:
            axes.set_xlabel("Density: share of prunable weights kept (log scale)")
            axes.tick_params(labelbottom=True)
    return figure, panels[:count]


def _relative_levels(done: pd.DataFrame, levels: dict[int, float]) -> dict[tuple[str, int], float]:
    """Repeat-last MSE over the mean dense MSE, by model and horizon.

    The dense MSE is read back from any cell of the seed: its MSE over its MSE relative to dense.
    """
    dense = done.assign(dense=done["mse"] / done["mse_relative"])
    seeds = dense.groupby(["model", "pred_len", "seed"], sort=False)["dense"].first()
    means = seeds.groupby(level=["model", "pred_len"], sort=False).mean()
    return {(model, h): level(levels, h) / value for (model, h), value in means.items()}


def _top(done: pd.DataFrame, relative: dict[tuple[str, int], float]) -> float:
    """Upper end of the y axis: all data, but not far above the repeat-last levels, and at most HIGHEST."""
    data = 1.08 * done["mse_relative"].max()
    naive = 1.12 * max(relative.values())
    return max(min(max(data, naive), max(naive, 1.5), HIGHEST), 1.15)


def _model_line(axes: Axes, rows: pd.DataFrame, colour: tuple, marker: str, top: float) -> None:
    done = finished(rows)
    grouped = done.groupby("density_asked")
    points = grouped.agg(
        density=("density", "mean"),
        mean=("mse_relative", "mean"),
        low=("mse_relative", "min"),
        high=("mse_relative", "max"),
    ).sort_index(ascending=False)
    x = points["density"].to_numpy()
    mean = points["mean"].to_numpy()
    label = rows["model"].iloc[0] if len(rows) else None
    if len(points) and (grouped["seed"].nunique() > 1).any():
        axes.fill_between(x, points["low"], points["high"], color=colour, alpha=0.2, linewidth=0, zorder=2)
    shape = {"marker": marker, "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.7}
    axes.plot(x, mean, color=colour, linewidth=2, label=label, zorder=3, **shape)
    base = axes.get_xaxis_transform()
    signs = {"color": colour, "linestyle": "none", "clip_on": False, "zorder": 5}
    above = x[mean > top]
    if len(above):
        triangle = {"marker": "^", "markersize": 8, "markerfacecolor": "white", "markeredgewidth": 1.6}
        axes.plot(above, np.full(len(above), 0.97), transform=base, **triangle, **signs)
    lost = rows.loc[rows["status"] != "ok", "density_asked"].unique()
    if len(lost):
        axes.plot(lost, np.full(len(lost), 0.03), marker="x", markeredgewidth=1.8, transform=base, **signs)


def _reference(axes: Axes, relative: dict, pred_len: int, looks: dict, top: float) -> None:
    """Dense, the band within the tolerance, and each model's repeat-last level."""
    axes.axhspan(1, 1 + TOLERANCE, color="#000000", alpha=0.07, linewidth=0, zorder=0)
    axes.axhline(1, color=INK, linewidth=1.2, zorder=1, gid="dense")
    margin = axes.get_yaxis_transform()
    for model, (colour, _) in looks.items():
        if (model, pred_len) not in relative:
            continue
        value = relative[model, pred_len]
        gid = f"repeat-last {model}"
        arrow = {"markersize": 7, "color": colour, "clip_on": False, "zorder": 4}
        if value <= top:
            axes.axhline(value, color=colour, linewidth=1.3, linestyle=(0, (1, 1.6)), zorder=1, gid=gid)
            axes.plot([1.012], [value], marker="<", transform=margin, **arrow)
        else:
            axes.plot([1.012], [top], marker="^", transform=margin, gid=gid, **arrow)


def _legend(figure: Figure, looks: dict, cells: pd.DataFrame, done: pd.DataFrame, top: float, relative: dict) -> None:
    """Models and signs above the panels; below them a line that says what band, triangle and cross mean."""
    handles = []
    for model, (colour, marker) in looks.items():
        label = model if model in set(done["model"]) else f"{model} (no cell finished)"
        handles.append(handle(label, colour, marker))
    handles.append(Line2D([], [], color=INK, linewidth=1.2, label="dense = 1"))
    handles.append(Patch(color="#000000", alpha=0.12, linewidth=0, label="within 5 %"))
    dotted = {"linestyle": (0, (1, 1.6)), "linewidth": 1.3, "marker": "<", "markersize": 6}
    handles.append(Line2D([], [], color="#777777", label="repeat last value (model's colour)", **dotted))
    columns = len(handles) if len(handles) <= 6 else 5
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, columnspacing=1.3, handletextpad=0.5)
    notes = [spread_note(done)]
    highest = done["mse_relative"].max()
    if highest > top:
        notes.append(f"△ above the axis: up to {_times(highest)} times dense.")
    off = [f"{model} {value:.1f}" for (model, _), value in relative.items() if value > top]
    if off:
        notes.append(f"▲ at the margin: repeat last lies above the axis ({', '.join(off)}).")
    if (cells["status"] != "ok").any():
        notes.append("×: a cell did not finish.")
    note(figure, *notes)


def _times(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}" if value < 1e6 else f"{value:.0e}"


def _sweep_alt(cells: pd.DataFrame, looks: dict) -> str:
    horizons = ", ".join(str(h) for h in sorted(cells["pred_len"].unique()))
    return (
        f"Line chart of MSE relative to the dense model against density on {cells['dataset'].iloc[0]}, "
        f"horizon {horizons}, for {', '.join(looks)}; the table below has the numbers."
    )


def layers(layers: pd.DataFrame) -> Figure:
    """Heat map of the density per layer (rows, in the model's order) and asked density (columns): a panel per model.

    Drawn is the scope ``global`` where it was run: under ``layer`` every layer keeps what is asked. Densities are means
    over seeds and horizons. The number behind a layer's name counts its weights. Raises UserError for an empty table, a
    missing column, an unknown scope.
    """
    need(layers, "layers", ["model", "scope", "density_asked", "layer", "layer_density", "weights"])
    scope = need_scopes(layers)[-1]
    panels = list(layers[layers["scope"] == scope].groupby("model", sort=False))
    columns, heights = [[] for _ in panels[:2]], [0.0 for _ in panels[:2]]
    for model, panel in panels:
        shorter = heights.index(min(heights))
        columns[shorter].append((model, panel))
        heights[shorter] += _heat_map_height(panel)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, max(heights) + 0.8), layout="constrained")
        names = ", ".join(model for model, _ in panels)
        figure.set_label(f"Heat map of the density kept in every layer of {names} at each density asked.")
        above, below = figure.subfigures(2, 1, height_ratios=[0.8, max(heights)])
        for part, column, height in zip(
            below.subfigures(1, len(columns), squeeze=False)[0], columns, heights, strict=True
        ):
            rows = [*(_heat_map_height(panel) for _, panel in column), max(heights) - height + 1e-3]
            grid = part.subplots(len(rows), 1, squeeze=False, gridspec_kw={"height_ratios": rows})[:, 0]
            grid[-1].remove()  # what the column lacks
            for (model, panel), axes in zip(column, grid, strict=False):
                image = _heat_map(axes, panel)
                axes.set_title(f"{model} · {scope}")
            axes.set_xlabel("Density asked")
        bar = figure.colorbar(image, cax=above.add_axes((0.02, 0.5, 0.4, 0.18)), orientation="horizontal")
        bar.set_label("Density of the layer: share of its weights kept")
        bar.outline.set_visible(False)
    return figure


def _heat_map_height(panel: pd.DataFrame) -> float:
    """Inches that one model needs: a line per layer, its title and ticks."""
    return 0.155 * max(panel["layer"].nunique(), 2) + 0.6


def _heat_map(axes: Axes, panel: pd.DataFrame) -> mpl.image.AxesImage:
    table = panel.pivot_table(index="layer", columns="density_asked", values="layer_density", sort=False)
    table = table[sorted(table.columns, reverse=True)]
    weights = panel.groupby("layer", sort=False)["weights"].first()
    image = axes.imshow(table.to_numpy(), aspect="auto", cmap="cividis", vmin=0, vmax=1)
    every = -(-table.shape[1] // _LABELLED)
    texts = [*density_labels(table.columns).values()]
    axes.set_xticks(range(0, len(texts), every), texts[::every], fontsize=8)
    labels = [f"{readable_layer(name)}  ({_short(weights[name])})" for name in table.index]
    axes.set_yticks(range(len(labels)), labels, fontsize=8.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if table.shape[1] <= _LABELLED:
        for (y, x), value in np.ndenumerate(table.to_numpy()):
            ink = "#111111" if value > 0.5 else "#f5f5f5"
            text = axes.text(x, y, _cell_text(value), ha="center", va="center", fontsize=7.5, color=ink)
            text.set_in_layout(False)  # hundreds of them, all within the panel
    return image


def _cell_text(density: float) -> str:
    if density >= 0.995:
        return "1"
    return f"{density:.2f}"[1:] if density >= 0.005 else f"{density:.0e}".replace("e-0", "e-")


_TICKS = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)


def structures(structures: pd.DataFrame) -> Figure:
    """MSE relative to dense against what is left: a row per model and horizon, live parameters left, multiply-adds
    right.

    Line: mean over the seeds, band: lowest to highest; both axes logarithmic. Raises UserError for an empty table, a
    missing column, or where no cell finished.
    """
    need(structures, "structures", STRUCTURES)
    done = finished(structures).assign(kind=_kinds)
    if done.empty:
        raise UserError(f"table 'structures': none of the {len(structures)} cells finished")
    kinds = list(done["kind"].unique())
    looks = {kind: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, kind in enumerate(kinds)}
    rows = list(done.groupby(["model", "pred_len"], sort=False))
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.0 + 2.35 * len(rows)), layout="constrained")
        figure.set_label("Line charts of MSE relative to dense against live parameters and multiply-adds left.")
        grid = figure.subplots(len(rows), 2, squeeze=False, sharey="row")
        for ((model, pred_len), group), (left, right) in zip(rows, grid, strict=True):
            for axes, column in ((left, "density_live"), (right, "macs_share")):
                for kind, (colour, marker) in looks.items():
                    _line(axes, group[group["kind"] == kind], column, colour, marker)
                axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
                _share_axis(axes, group[column])
            relative_axis(left, 0.97 * min(group["mse_relative"].min(), 1), 1.05 * group["mse_relative"].max())
            right.grid(axis="y", zorder=0)
            left.set_title(case_title(structures, model, pred_len))
            left.set_ylabel("MSE relative\nto dense")
        grid[-1, 0].set_xlabel("Share of live parameters left (log scale)")
        grid[-1, 1].set_xlabel("Share of multiply-adds (log scale)")
        handles = [handle(kind, *look) for kind, look in looks.items()]
        handles.append(Line2D([], [], color=INK, linewidth=1.2, label="dense"))
        figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 6), columnspacing=1.3)
        note(figure, spread_note(done))
    return figure


def _kinds(rows: pd.DataFrame) -> pd.Series:
    """Structure, with its scope where there are several, and the paper's protocol apart."""
    kinds = rows["structure"].astype(str)
    kinds = kinds.mask(rows["structure"] == "unstructured", "unstructured, by " + rows["scope"].astype(str))
    return kinds.mask(rows["method"] == "depgraph_paper", PAPER)


def _line(axes: Axes, rows: pd.DataFrame, x: str, colour: tuple, marker: str) -> None:
    points = rows.groupby("density_asked").agg(
        x=(x, "mean"), mean=("mse_relative", "mean"), low=("mse_relative", "min"), high=("mse_relative", "max")
    )
    points = points.sort_values("x")
    axes.fill_between(points["x"], points["low"], points["high"], color=colour, alpha=0.15, linewidth=0, zorder=2)
    axes.plot(
        points["x"], points["mean"], color=colour, marker=marker, markersize=6.5, markeredgecolor="white", zorder=3
    )


def _share_axis(axes: Axes, values: pd.Series) -> None:
    """Log axis from all on the left to little on the right."""
    lowest = min(values.min(), 0.5)
    axes.set_xscale("log")
    axes.set_xlim(1.06, 0.94 * lowest)
    ticks = [1.0]
    for tick in _TICKS:
        if tick >= lowest and math.log(ticks[-1] / tick) > math.log(1 / lowest) / 9:  # labels that do not touch
            ticks.append(tick)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
