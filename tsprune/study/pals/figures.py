"""Figures of study 05: how sparsity and loss run together, where training ends, and which mechanism matters."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tsprune.errors import UserError, unknown
from tsprune.report import drawing as kit
from tsprune.report.axes import REFERENCE, difference_axis, log_axis, relative_axis
from tsprune.report.cases import CASE, case_title, cases, of_case
from tsprune.report.frames import NoRows, finished, need
from tsprune.report.style import COLOURS, INK
from tsprune.report.text import counted, interval_words
from tsprune.study.pals.result import CELLS, CODE, COMPARISONS, PAPER, SEARCHED, TOLD, UPDATES

DECISIONS = {"shrink": "v", "stable": "o", "expand": "^"}
"""Each decision with its marker: the shape tells it, so that it can be read without colour."""

VARIANTS = {CODE: COLOURS[0], PAPER: COLOURS[1], SEARCHED: COLOURS[2]}

_BENEATH = {"linewidth": 4, "alpha": 0.35, "zorder": 1, "solid_capstyle": "round"}
"""A search is drawn beneath, broad: where it chose the one setting, its line is that one's."""

_ACROSS = 4  # panels side by side


def trajectories(updates: pd.DataFrame) -> Figure:
    """Sparsity (above) and the loss that PALS looked at (below) over the training: a column per model.

    Blue: as in its code, orange: as in the paper; the marker's shape is the decision, drawn for the first seed, the
    other seeds are thin lines. Broad, beneath: with its setting searched. The first horizon is shown. The loss's axis
    is logarithmic. Raises UserError for an empty table, a missing column, a decision without a marker, or where no
    update is of PALS's variants.
    """
    need(updates, "updates", UPDATES)
    for decision in updates["decision"].unique():
        if decision not in DECISIONS:
            raise UserError(unknown("decision", decision, DECISIONS))
    shown = updates[updates["arm"].isin(VARIANTS)]
    if shown.empty:
        raise NoRows(f"table 'updates': no row of {CODE} or {PAPER}")
    horizon, several = shown["pred_len"].iloc[0], shown["pred_len"].nunique() > 1
    shown = shown[shown["pred_len"] == horizon]
    models = list(shown["model"].unique())
    across, bands = min(len(models), _ACROSS), -(-len(models) // _ACROSS)
    alt = "Line charts of sparsity and loss over training steps, with each decision of PALS marked."
    with kit.canvas(1.0 + 3.7 * bands, alt) as figure:
        grid = figure.subplots(2 * bands, across, squeeze=False)
        upper, lower = list(grid[::2].flat), list(grid[1::2].flat)
        for axes in (*upper[len(models) :], *lower[len(models) :]):
            axes.remove()
        for place, (model, above, below) in enumerate(zip(models, upper, lower, strict=False)):
            own = shown[shown["model"] == model]
            above.sharex(below)  # its ticks have no labels: they are to stand over those that do
            above.set_title(model.replace("_", "\n"))
            _trajectories(above, own, "sparsity")
            _trajectories(below, own, "loss")
            above.set_ylim(-0.03, 1.0)
            above.tick_params(labelbottom=False)
            log_axis(below.yaxis, own["loss"].min() / 1.05, 1.05 * own["loss"].max(), text="{:.3g}".format)
            below.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            below.set_xlabel("Training step")
            if place % across == 0:
                above.set_ylabel("Sparsity")
                below.set_ylabel("Loss it looks at\n(log scale)")
        kit.legend(figure, [*_variant_lines(shown), *_decision_signs()])
        first = f"Horizon {horizon}." if several else ""
        kit.note(figure, first, "Markers: the first seed's decisions; thin: other seeds. Sparsity of prunable weights.")
    return figure


def _variant_lines(shown: pd.DataFrame) -> list[Line2D]:
    """What the legend has for each variant that is ``shown``."""
    broad = {SEARCHED: {name: _BENEATH[name] for name in ("linewidth", "alpha")}}
    return [kit.handle(arm, VARIANTS[arm], "", **broad.get(arm, {})) for arm in VARIANTS if arm in set(shown["arm"])]


def _decision_signs() -> list[Line2D]:
    """What the legend has for each decision."""
    grey = {"colour": "#555555", "linestyle": "none"}
    return [kit.handle(name, marker=sign, markerfacecolor=_face(name), **grey) for name, sign in DECISIONS.items()]


def _face(decision: str, colour: str = "#555555") -> str:
    return "white" if decision == "stable" else colour


def _trajectories(axes: Axes, rows: pd.DataFrame, column: str) -> None:
    """A line per variant and seed; the first seed's decisions as markers, smaller the more there are."""
    size = float(np.clip(250 / rows.groupby(["arm", "seed"]).size().max(), 2, 6))
    for (arm, seed), line in sorted(rows.groupby(["arm", "seed"]), key=lambda of: of[0][0] == CODE):  # code on top
        if arm == SEARCHED:
            axes.plot(line["step"], line[column], color=VARIANTS[arm], **_BENEATH)
            continue
        first, colour = seed == rows.loc[rows["arm"] == arm, "seed"].iloc[0], VARIANTS[arm]
        axes.plot(line["step"], line[column], color=colour, linewidth=1.3 if first else 0.7, zorder=2)
        for decision, marker in DECISIONS.items() if first else ():
            own = line[line["decision"] == decision]
            look = {"marker": marker, "markersize": size, "color": colour, "markerfacecolor": _face(decision, colour)}
            axes.plot(own["step"], own[column], linestyle="", label=f"{arm}: {decision}", zorder=3, **look)
    axes.grid(axis="y", zorder=0)


def arms(cells: pd.DataFrame) -> Figure:
    """Final density against MSE relative to dense, PALS, its search and its rivals: a panel per model and horizon.

    Marker: mean over the seeds; bars: lowest to highest seed, both ways. The line at 1 is the dense model. Both axes
    are logarithmic. Raises UserError for an empty table or a missing column, and where no sparse cell finished.
    """
    need(cells, "cells", [*CELLS, "method"])
    shown = finished(cells[cells["group"].isin(["PALS", "search", *TOLD])])
    if shown.empty:
        raise NoRows("table 'cells': no cell of PALS or of a rival finished")
    variants = [arm for arm in VARIANTS if arm in set(cells["arm"])]
    methods = kit.looks([*variants, *cells.loc[cells["group"].isin(TOLD), "method"].unique()])
    keys = cases(cells)
    alt = "Scatter of MSE relative to dense against final density, for PALS and its rivals."
    with kit.canvas(1.1 + 2.5 * -(-len(keys) // _ACROSS), alt) as figure:
        grid = kit.panels(figure, len(keys), _ACROSS, "Density (log scale)", "MSE relative to\ndense (log scale)")
        for (model, pred_len), axes in zip(keys, grid, strict=True):
            own = of_case(shown, model, pred_len)
            axes.set_title(_narrow_title(cells, model, pred_len))
            for name, look in methods.items():
                _points(axes, own[_method_names(own) == name], *look)
            log_axis(axes.xaxis, 1.15, min([0.5, *own["density"]]) / 1.15)
            values = [1.0, *own["mse_relative"]]
            relative_axis(axes, 0.97 * min(values), 1.04 * max(*values, 1.03))
        kit.legend(figure, [*kit.handles(methods, linestyle="none"), kit.handle("dense")])
        kit.note(figure, kit.spread_note(shown, "Marker", "bars"), "Density: share of the prunable weights kept.")
    return figure


def _narrow_title(cells: pd.DataFrame, model: str, pred_len: int) -> str:
    """:func:`case_title` for a panel of a quarter of the page."""
    return model.replace("_", "\n") + (f" · {pred_len}" if cells["pred_len"].nunique() > 1 else "")


def _method_names(cells: pd.DataFrame) -> pd.Series:
    """What a cell is called in a legend: its variant of PALS, or the rival's method at any density."""
    return cells["arm"].where(~cells["group"].isin(TOLD), cells["method"])


def _points(axes: Axes, rows: pd.DataFrame, colour: str, marker: str) -> None:
    for _, cell in rows.groupby("arm", sort=False):
        x, y = cell["density"], cell["mse_relative"]
        axes.hlines(y.mean(), x.min(), x.max(), color=colour, alpha=0.5, linewidth=2, zorder=2)
        axes.vlines(x.mean(), y.min(), y.max(), color=colour, alpha=0.5, linewidth=2, zorder=2)
        axes.plot(x.mean(), y.mean(), color=colour, marker=marker, markersize=7, markeredgecolor="white", zorder=3)


def ablations(cells: pd.DataFrame, comparisons: pd.DataFrame) -> Figure | None:
    """What one switch changes on top of PALS as in its code: test MSE with its interval, and final density.

    A row of panels per model and horizon. Filled: clear of zero; hollow: within the noise. The MSE's axis is linear up
    to 10 %, logarithmic beyond. Line on the right: density of PALS as in its code. None where no ablation
    can be compared with it yet.
    """
    need(cells, "cells", CELLS)
    need(comparisons, "comparisons", COMPARISONS)
    named = [*CASE, "arm"]
    compared = comparisons[comparisons["against"] == CODE].set_index(named).index
    ablations = cells[(cells["group"] == "ablation") & cells.set_index(named).index.isin(compared)]
    labels = list(ablations["arm"].unique())
    if not labels:
        return None
    keys = cases(ablations)
    alt = "Dots with intervals: change of the test MSE and final density with one mechanism changed."
    with kit.canvas(0.9 + len(keys) * (0.7 + 0.29 * len(labels)), alt) as figure:
        grid = figure.subplots(len(keys), 2, squeeze=False, sharey="row")
        for case, (left, right) in zip(keys, grid, strict=True):
            _changes(left, of_case(comparisons[comparisons["against"] == CODE], *case), labels)
            _final_densities(right, of_case(cells[cells["status"] == "ok"], *case), labels)
            # After the panel beside it, whose line settles the ends of this axis while it is still linear.
            difference_axis(left, "Test MSE against PALS as in its code")
            kit.lines_named(left, labels)
            left.set_title(case_title(cells, *case))
        left_of = "Left: filled: clear of zero, hollow: within the noise."
        right_of = "Right: mean, lowest to highest seed. Blue: PALS as in its code."
        kit.note(figure, left_of, right_of, interval_words(comparisons))
    return figure


def _changes(axes: Axes, pairs: pd.DataFrame, labels: list[str]) -> None:
    """What each of ``labels`` changes of the test MSE, with its interval: a line per label."""
    for pair in pairs[pairs["arm"].isin(labels)].to_dict("records"):
        kit.difference_dot(axes, labels.index(pair["arm"]), pair, COLOURS[1])


def _final_densities(axes: Axes, cells: pd.DataFrame, labels: list[str]) -> None:
    """Mean and range over the seeds, in the lines of :func:`_changes`; across them that of PALS as in its code."""
    densities = cells.groupby("arm")["density"].agg(["min", "mean", "max"])
    for place, label in enumerate(labels):
        if label in densities.index:
            kit.dot(axes, place, densities.loc[label], COLOURS[1])
    if CODE in densities.index:
        axes.axvline(densities.loc[CODE, "mean"], color=COLOURS[0], linewidth=1.5)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("Final density")
    axes.grid(axis="x", zorder=0)


def sensitivity(cells: pd.DataFrame) -> Figure | None:
    """Final density and MSE relative to dense by gamma and lambda, and by the interval between updates.

    A row of panels per model and horizon; means over the seeds. Frame, and ring: the setting of all other figures. The
    course over the interval is drawn where there are several. None where nothing but that setting was run.
    """
    need(cells, "cells", [*CELLS, "gamma", "lam", "every"])
    asked = cells[cells["group"] == "sensitivity"]
    if asked.empty:
        return None
    done = finished(cells[(cells["group"] == "sensitivity") | (cells["arm"] == CODE)])
    keys = [case for case in cases(asked) if len(of_case(done[done["arm"] == CODE], *case))]
    if not keys:
        raise NoRows("table 'cells': the setting that others are held against has not finished")
    alt = "Heat maps of density and MSE by gamma and lambda, and, of several update intervals, their course."
    with kit.canvas(0.9 + 2.7 * len(keys), alt) as figure:
        several = done["every"].nunique() > 1
        grid = figure.subplots(len(keys), 3 if several else 2, squeeze=False)
        for (model, pred_len), row in zip(keys, grid, strict=True):
            own = of_case(done, model, pred_len)
            default = own[own["arm"] == CODE].head(1)
            usual = own[own["every"].isin(default["every"])]
            for axes, column, what in zip(row, ("density", "mse_relative"), ("density", "MSE / dense"), strict=False):
                table = usual.pivot_table(index="lam", columns="gamma", values=column).iloc[::-1]
                framed = default[["lam", "gamma"]].itertuples(index=False)
                kit.heat_map(axes, table, "{:.2f}".format, framed=framed)
                axes.set(title=what, xlabel="gamma", ylabel="lambda")
            row[0].set_title(f"{_narrow_title(cells, model, pred_len)}: density")
            if several:
                _by_interval(row[2], own[own["gamma"].isin(default["gamma"]) & own["lam"].isin(default["lam"])])
        ring = kit.handle("the setting of all other figures", INK, "o", linestyle="none", **_RING)
        if several:
            kit.legend(figure, [*kit.handles(dict(_COURSES.values())), kit.handle("dense = 1"), ring], "right")
        seeds, marked = counted(done["seed"].nunique(), "seed"), "Frame and ring" if several else "Frame"
        kit.note(figure, f"Means over {seeds}; bright: low. {marked}: the setting used everywhere else.")
    return figure


_RING = {"markersize": 13, "markerfacecolor": "none", "markeredgecolor": INK}

_COURSES = {"density": ("density", (COLOURS[2], "D")), "mse_relative": ("MSE / dense", (COLOURS[3], "^"))}


def _by_interval(axes: Axes, rows: pd.DataFrame) -> None:
    """Density and MSE relative to dense against the steps between two updates, on one axis of plain numbers."""
    for column, (label, (colour, marker)) in _COURSES.items():
        kit.band_line(axes, rows, "every", column, color=colour, marker=marker, label=label)
    for every in rows.loc[rows["arm"] == CODE, "every"].unique():
        ring = rows.loc[rows["every"] == every, [*_COURSES]].mean()
        axes.plot([every, every], ring, "o", color=INK, linestyle="", zorder=4, **_RING)
    axes.axhline(1, **REFERENCE)
    axes.set_ylim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set(xlabel="Training steps between updates", ylabel="Density, and MSE / dense", title="interval")
    axes.grid(axis="y", zorder=0)
