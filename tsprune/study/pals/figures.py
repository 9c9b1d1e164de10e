"""Figures of study 05: how sparsity and loss run together, where training ends, and which mechanism matters.

``cells`` has a row per arm, model, horizon and seed; ``group`` is ``dense``, ``PALS``, ``rival``, ``signal``,
``ablation`` or ``sensitivity``. ``updates`` has a row per update of PALS: ``step``, ``decision``, ``sparsity`` after it
and the ``loss`` it looked at. ``comparisons`` has a row per pair of arms: test MSE of ``arm`` over that of
``against``, less one, with its interval, and whether that is ``clear`` of zero.
"""

from itertools import product

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from tsprune.errors import UserError, unknown
from tsprune.report.drawing import (
    COLOURS,
    INK,
    MARKERS,
    RC,
    WIDTH,
    band_line,
    case_title,
    density_axis,
    note,
    relative_axis,
    spread_note,
)
from tsprune.report.frames import finished, need
from tsprune.report.text import interval_words
from tsprune.study.pals.result import CELLS, CODE, COMPARISONS, PAPER, UPDATES

DECISIONS = {"shrink": "v", "stable": "o", "expand": "^"}
"""Each decision with its marker: told by shape, so that it can be read without colour."""

VARIANTS = {CODE: COLOURS[0], PAPER: COLOURS[1]}

_ACROSS = 4  # panels side by side

_TICKS = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


def trajectories(updates: pd.DataFrame) -> Figure:
    """Sparsity (above) and the loss that PALS looked at (below) over the training: a column per model.

    Blue: as in its code, orange: as in the paper; the marker's shape is the decision, drawn for the first seed, the
    other seeds are thin lines. The first horizon is shown. The loss's axis is logarithmic. Raises UserError for an
    empty table, a missing column, a decision without a marker, or where no update is of PALS's two variants.
    """
    need(updates, "updates", UPDATES)
    for decision in updates["decision"].unique():
        if decision not in DECISIONS:
            raise UserError(unknown("decision", decision, DECISIONS))
    shown = updates[updates["arm"].isin(VARIANTS)]
    if shown.empty:
        raise UserError(f"table 'updates': no row of {CODE} or {PAPER}")
    horizon, several = shown["pred_len"].iloc[0], shown["pred_len"].nunique() > 1
    shown = shown[shown["pred_len"] == horizon]
    models = list(shown["model"].unique())
    across, bands = min(len(models), _ACROSS), -(-len(models) // _ACROSS)
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.0 + 3.7 * bands), layout="constrained")
        figure.set_label("Line charts of sparsity and loss over training steps, with each decision of PALS marked.")
        grid = figure.subplots(2 * bands, across, squeeze=False)
        for place, (band, column) in enumerate(product(range(bands), range(across))):
            above, below = grid[2 * band, column], grid[2 * band + 1, column]
            if place >= len(models):
                above.remove()
                below.remove()
                continue
            own = shown[shown["model"] == models[place]]
            above.set_title(models[place].replace("_", "\n"))
            _trajectories(above, own, "sparsity")
            _trajectories(below, own, "loss")
            above.set_ylim(-0.03, 1.0)
            above.set_xticklabels([])
            below.set_yscale("log")
            wide = own["loss"].max() > 3 * own["loss"].min()
            below.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5), numticks=20) if wide else MaxNLocator(4))
            below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
            below.yaxis.set_minor_formatter(NullFormatter())
            below.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            below.set_xlabel("Training step")
            if not column:
                above.set_ylabel("Sparsity")
                below.set_ylabel("Loss it looks at")
        arms = [arm for arm in VARIANTS if arm in set(shown["arm"])]
        handles = [Line2D([], [], color=VARIANTS[arm], linewidth=2, label=arm) for arm in arms]
        handles += [_sign(marker, decision) for decision, marker in DECISIONS.items()]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), columnspacing=1.3)
        first = f"Horizon {horizon}. " if several else ""
        note(figure, f"{first}Markers: the first seed's decisions; thin: other seeds. Sparsity of prunable weights.")
    return figure


def arms(cells: pd.DataFrame) -> Figure:
    """Final density against MSE relative to dense, PALS and its rivals: a panel per model and horizon.

    Marker: mean over the seeds; bars: lowest to highest seed, both ways. The line at 1 is the dense model. Both axes
    are logarithmic. Raises UserError for an empty table or a missing column, and where no sparse cell finished.
    """
    need(cells, "cells", [*CELLS, "method"])
    shown = finished(cells[cells["group"].isin(["PALS", "rival"])])
    if shown.empty:
        raise UserError("table 'cells': no cell of PALS or of a rival finished")
    looks = _looks(cells)
    keys = list(product(cells["model"].unique(), sorted(cells["pred_len"].unique())))
    bands, several = -(-len(keys) // _ACROSS), cells["pred_len"].nunique() > 1
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.1 + 2.5 * bands), layout="constrained")
        figure.set_label("Scatter of MSE relative to dense against final density, for PALS and its rivals.")
        grid = figure.subplots(bands, min(len(keys), _ACROSS), squeeze=False)
        for axes in grid.flat[len(keys) :]:
            axes.remove()
        for axes, (model, pred_len) in zip(grid.flat, keys, strict=False):
            own = shown[(shown["model"] == model) & (shown["pred_len"] == pred_len)]
            axes.set_title(model.replace("_", "\n") + (f" · {pred_len}" if several else ""))
            for name, (colour, marker) in looks.items():
                _points(axes, own[_method_names(own) == name], colour, marker)
            axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
            lowest = min([0.5, *own["density"]])
            density_axis(axes, np.array(_TICKS[: 1 + next((i for i, t in enumerate(_TICKS) if t <= lowest), 9)]))
            values = [1.0, *own["mse_relative"]]
            relative_axis(axes, 0.97 * min(values), 1.04 * max(*values, 1.03))
            axes.set_xlabel("Density (log scale)")
        for row in grid:
            row[0].set_ylabel("MSE relative to dense")
        handles = [Line2D([], [], color=c, marker=m, linestyle="", label=name) for name, (c, m) in looks.items()]
        handles.append(Line2D([], [], color=INK, linewidth=1.2, label="dense"))
        figure.legend(handles=handles, loc="outside upper left", ncols=5, columnspacing=1.3)
        note(figure, spread_note(shown, "Marker", "bars"), "Density: share of the prunable weights kept.")
    return figure


def ablations(cells: pd.DataFrame, comparisons: pd.DataFrame) -> Figure | None:
    """What one switch changes on top of PALS as in its code: test MSE with its interval, and final density.

    A row of panels per model and horizon. Filled: clear of zero; hollow: within the noise. The MSE's axis is linear up
    to 10 %, logarithmic beyond. Line on the right: density
    of PALS as in its code. None where no ablation was run.
    """
    need(cells, "cells", CELLS)
    need(comparisons, "comparisons", COMPARISONS)
    ablations = cells[cells["group"] == "ablation"]
    labels = list(ablations["arm"].unique())
    if not labels:
        return None
    keys = list(dict.fromkeys(zip(ablations["model"], ablations["pred_len"], strict=True)))
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 0.9 + len(keys) * (0.7 + 0.29 * len(labels))), layout="constrained")
        figure.set_label("Dots with intervals: change of the test MSE and final density with one mechanism changed.")
        grid = figure.subplots(len(keys), 2, squeeze=False, sharey="row")
        for (model, pred_len), (left, right) in zip(keys, grid, strict=True):
            here = (cells["model"] == model) & (cells["pred_len"] == pred_len) & (cells["status"] == "ok")
            pairs = comparisons[(comparisons["model"] == model) & (comparisons["pred_len"] == pred_len)]
            for place, label in enumerate(labels):
                _interval(left, pairs[(pairs["arm"] == label) & (pairs["against"] == CODE)], place)
                _range(right, cells.loc[here & (cells["arm"] == label), "density"], place)
            right.axvline(cells.loc[here & (cells["arm"] == CODE), "density"].mean(), color=COLOURS[0], linewidth=1.5)
            _percent_axis(left)
            left.set_yticks(range(len(labels)), labels)
            left.set_ylim(len(labels) - 0.5, -0.5)
            left.set_title(case_title(cells, model, pred_len))
            left.set_xlabel("Test MSE against PALS as in its code, %")
            right.set_xlim(0, 1.02)
            right.set_xlabel("Final density")
            for axes in (left, right):
                axes.grid(axis="x", zorder=0)
        left_of = "Left: filled: clear of zero, hollow: within the noise."
        right_of = "Right: mean, lowest to highest seed. Blue: PALS as in its code."
        note(figure, left_of, right_of, interval_words(comparisons))
    return figure


def sensitivity(cells: pd.DataFrame) -> Figure | None:
    """Final density and MSE relative to dense by gamma and lambda, and by the interval between updates.

    A row of panels per model and horizon; means over the seeds. Frame, and ring: the setting of all other figures. None
    where nothing but that setting was run.
    """
    need(cells, "cells", [*CELLS, "gamma", "lam", "every"])
    asked = cells[cells["group"] == "sensitivity"]
    if asked.empty:
        return None
    keys = list(dict.fromkeys(zip(asked["model"], asked["pred_len"], strict=True)))
    done = finished(cells[(cells["group"] == "sensitivity") | (cells["arm"] == CODE)])
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 0.5 + 2.7 * len(keys)), layout="constrained")
        figure.set_label("Heat maps of density and MSE by gamma and lambda, and their course over the update interval.")
        grid = figure.subplots(len(keys), 3, squeeze=False)
        for (model, pred_len), row in zip(keys, grid, strict=True):
            own = done[(done["model"] == model) & (done["pred_len"] == pred_len)]
            default = own[own["arm"] == CODE].head(1)
            usual = own[own["every"].isin(default["every"])]
            case = model + (f" · {pred_len}" if cells["pred_len"].nunique() > 1 else "")
            for axes, column, what in zip(row, ("density", "mse_relative"), ("density", "MSE / dense"), strict=False):
                _heat_map(axes, usual.pivot_table(index="lam", columns="gamma", values=column), default)
                axes.set_title(f"{case}: {what}" if axes is row[0] else what)
            row[0].set_ylabel("lambda")
            _intervals_between(row[2], own[own["gamma"].isin(default["gamma"]) & own["lam"].isin(default["lam"])])
        seeds = done["seed"].nunique()
        note(figure, f"Means over {seeds} seeds; bright: low. Frame and ring: the setting used everywhere else.")
    return figure


def _trajectories(axes: Axes, rows: pd.DataFrame, column: str) -> None:
    """A line per variant and seed; the first seed's decisions as markers, smaller the more there are."""
    size = float(np.clip(250 / rows.groupby(["arm", "seed"]).size().max(), 2, 6))
    for (arm, seed), line in sorted(rows.groupby(["arm", "seed"]), key=lambda of: of[0][0] == CODE):  # code on top
        first = seed == rows.loc[rows["arm"] == arm, "seed"].iloc[0]
        axes.plot(line["step"], line[column], color=VARIANTS[arm], linewidth=1.3 if first else 0.7, zorder=2)
        if first:
            for decision, marker in DECISIONS.items():
                own = line[line["decision"] == decision]
                axes.plot(
                    own["step"],
                    own[column],
                    marker=marker,
                    markersize=size,
                    color=VARIANTS[arm],
                    markerfacecolor="white" if decision == "stable" else VARIANTS[arm],
                    linestyle="",
                    label=f"{arm}: {decision}",
                    zorder=3,
                )
    axes.grid(axis="y", zorder=0)


def _looks(cells: pd.DataFrame) -> dict[str, tuple]:
    """Colour and marker of both variants of PALS and of every rival."""
    rivals = list(cells.loc[cells["group"] == "rival", "method"].unique())
    rest = [(COLOURS[2 + i], MARKERS[2 + i]) for i in range(len(rivals))]
    return dict(zip([*VARIANTS, *rivals], [(COLOURS[0], "o"), (COLOURS[1], "s"), *rest], strict=True))


def _method_names(cells: pd.DataFrame) -> pd.Series:
    """What a cell is called in a legend: its variant of PALS, or the rival's method at any density."""
    return cells["arm"].where(cells["group"] == "PALS", cells["method"])


def _points(axes: Axes, rows: pd.DataFrame, colour: tuple, marker: str) -> None:
    for _, cell in rows.groupby("arm", sort=False):
        x, y = cell["density"], cell["mse_relative"]
        axes.hlines(y.mean(), x.min(), x.max(), color=colour, alpha=0.5, linewidth=2, zorder=2)
        axes.vlines(x.mean(), y.min(), y.max(), color=colour, alpha=0.5, linewidth=2, zorder=2)
        axes.plot(x.mean(), y.mean(), color=colour, marker=marker, markersize=7, markeredgecolor="white", zorder=3)


def _interval(axes: Axes, pair: pd.DataFrame, place: int) -> None:
    for row in pair.to_dict("records"):
        axes.hlines(place, 100 * row["low"], 100 * row["high"], color=COLOURS[1], linewidth=2, zorder=2)
        face = COLOURS[1] if row["clear"] else "white"
        axes.plot(100 * row["relative"], place, "o", color=COLOURS[1], markerfacecolor=face, markersize=6, zorder=3)


def _percent_axis(axes: Axes) -> None:
    """Linear up to 10 %, logarithmic beyond, with a line at zero."""
    axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
    axes.set_xscale("symlog", linthresh=10, linscale=1)
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, -6), max(high, 6))
    ticks = [-80, -30, -10, -5, 0, 5, 10, 30, 100, 300, 1000] if high < 1000 else [-80, -10, 0, 10, 100, 1000, 1e4, 1e5]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if min(low, -6) <= tick <= max(high, 6)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0"))


def _range(axes: Axes, values: pd.Series, place: int) -> None:
    if len(values):
        axes.hlines(place, values.min(), values.max(), color=COLOURS[1], linewidth=2, zorder=2)
        axes.plot(values.mean(), place, "o", color=COLOURS[1], markersize=6, zorder=3)


def _heat_map(axes: Axes, table: pd.DataFrame, default: pd.DataFrame) -> None:
    values = table.to_numpy()
    axes.imshow(values, aspect="auto", cmap="cividis_r", origin="lower")
    axes.set_xticks(range(table.shape[1]), [f"{gamma:g}" for gamma in table.columns])
    axes.set_yticks(range(table.shape[0]), [f"{lam:g}" for lam in table.index])
    axes.set_xlabel("gamma")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    middle = (np.nanmin(values) + np.nanmax(values)) / 2 if values.size else 0
    for (y, x), value in np.ndenumerate(values):
        text = f"{value:.2f}" if np.isfinite(value) else "none"
        colour = "#f5f5f5" if np.isfinite(value) and value > middle else "#111111"
        axes.text(x, y, text, ha="center", va="center", fontsize=9, color=colour)
    for row in default.to_dict("records"):
        corner = list(table.columns).index(row["gamma"]) - 0.47, list(table.index).index(row["lam"]) - 0.47
        axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=COLOURS[3], linewidth=3))


def _intervals_between(axes: Axes, rows: pd.DataFrame) -> None:
    """Density and MSE relative to dense against the steps between two updates, on one axis of plain numbers."""
    for column, label, colour, marker in (
        ("density", "density", COLOURS[2], "D"),
        ("mse_relative", "MSE / dense", COLOURS[3], "^"),
    ):
        band_line(axes, rows, "every", column, color=colour, marker=marker, label=label)
    for every in rows.loc[rows["arm"] == CODE, "every"].unique():
        ring = rows.loc[rows["every"] == every, ["density", "mse_relative"]].mean()
        axes.plot([every, every], ring, "o", markersize=13, markerfacecolor="none", color=INK, linestyle="", zorder=4)
    axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
    axes.set_ylim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("Training steps between updates")
    axes.set_title("interval")
    axes.legend(loc="best")
    axes.grid(axis="y", zorder=0)


def _sign(marker: str, decision: str) -> Line2D:
    face = "white" if decision == "stable" else "#555555"
    return Line2D([], [], color="#555555", marker=marker, markerfacecolor=face, linestyle="", label=decision)
