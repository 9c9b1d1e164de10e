"""Figures, table and verdict of study 02: what does training on after pruning bring back?

``cells`` has a row per model, horizon, seed, arm and density: ``dense``, ``dense longer`` (trained as much longer, the
fair control), ``pruned``, ``fine-tuned``, ``iterative``, ``rewound``. ``history`` has a row per epoch of every arm that
trains on. ``mse_relative`` is the test MSE over that of the dense model of the same seed.
"""

from itertools import product

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from pandas.io.formats.style import Styler

from tsprune.errors import UserError
from tsprune.report.drawing import COLOURS, INK, MARKERS, RC, WIDTH, density_axis, relative_axis
from tsprune.report.frames import density_labels, density_text, finished, listed, need, percent
from tsprune.report.tables import mean_and_spread, styled

SPARSE_ARMS = ("pruned", "fine-tuned", "iterative", "rewound")
TOLERANCE = 0.05
"""The verdict speaks of an MSE at most this share above that of the dense model trained as long."""
_COLUMNS = ["dataset", "model", "pred_len", "seed", "arm", "density_asked", "mse", "mse_relative", "status"]


def fine_tuning_figure(cells: pd.DataFrame) -> Figure:
    """MSE relative to dense against density: a panel per model and horizon, a line per arm.

    Line: mean over the seeds; band: lowest to highest seed. The solid line at 1 is the dense model, the dashed one the
    dense model trained as much longer. Both axes are logarithmic. Raises UserError for an empty table or a missing
    column, and where no pruned cell finished.
    """
    done = _drawable(cells)
    sparse = done[done["arm"].isin(SPARSE_ARMS)]
    looks = {arm: (COLOURS[i], MARKERS[i]) for i, arm in enumerate(SPARSE_ARMS) if arm in set(sparse["arm"])}
    with mpl.rc_context(RC):
        figure, panels = _panels(cells, "Density: share of prunable weights kept (log scale)", "MSE relative to dense")
        figure.set_label("Line charts of MSE relative to dense against density, with and without training on.")
        for (model, pred_len), axes in panels.items():
            panel = sparse[(sparse["model"] == model) & (sparse["pred_len"] == pred_len)]
            for arm, (colour, marker) in looks.items():
                _line(axes, panel[panel["arm"] == arm], "density_asked", colour, marker)
            longer = done[(done["model"] == model) & (done["pred_len"] == pred_len) & (done["arm"] == "dense longer")]
            axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
            if len(longer):
                axes.axhline(longer["mse_relative"].mean(), color=INK, linewidth=1.2, linestyle="--", zorder=1)
            density_axis(axes, cells.loc[cells["arm"].isin(SPARSE_ARMS), "density_asked"].unique())
            values = [*panel["mse_relative"], *longer["mse_relative"], 1.0]
            relative_axis(axes, 0.97 * min(values), 1.05 * max(*values, 1.05))
        handles = [_handle(arm, *look) for arm, look in looks.items()]
        handles.append(Line2D([], [], color=INK, linewidth=1.2, label="dense"))
        handles.append(Line2D([], [], color=INK, linewidth=1.2, linestyle="--", label="dense, trained as long"))
        _finish(figure, handles, done)
    return figure


def recovery_figure(history: pd.DataFrame) -> Figure:
    """Test MSE relative to dense after each epoch of training on: a panel per model and horizon, a line per density.

    Solid: pruned at once (epoch 0 is the state straight after pruning); dashed in grey: the dense model trained on.
    Raises UserError for an empty table or a missing column.
    """
    need(history, "history", ["model", "pred_len", "seed", "arm", "density_asked", "epoch", "mse_relative"])
    tuned = history[history["arm"] == "fine-tuned"]
    densities = density_labels(tuned["density_asked"])
    looks = {density: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, density in enumerate(densities)}
    with mpl.rc_context(RC):
        figure, panels = _panels(history, "Epochs after pruning", "Test MSE relative to dense")
        figure.set_label("Line charts of test MSE relative to dense against epochs of training after pruning.")
        for (model, pred_len), axes in panels.items():
            panel = tuned[(tuned["model"] == model) & (tuned["pred_len"] == pred_len)]
            for density, (colour, marker) in looks.items():
                _line(axes, panel[panel["density_asked"] == density], "epoch", colour, marker)
            own = history[(history["model"] == model) & (history["pred_len"] == pred_len)]
            control = own[own["arm"] == "dense longer"].groupby("epoch")["mse_relative"].mean()
            axes.plot(control.index, control, color="#777777", linestyle="--", linewidth=1.4, zorder=2)
            axes.axhline(1, color=INK, linewidth=1.2, zorder=1)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            values = [*panel["mse_relative"], *control, 1.0]
            relative_axis(axes, 0.97 * min(values), 1.05 * max(*values, 1.05))
        handles = [_handle(f"density {densities[d]}", *look) for d, look in looks.items()]
        handles.append(Line2D([], [], color="#777777", linestyle="--", label="dense, trained on"))
        handles.append(Line2D([], [], color=INK, linewidth=1.2, label="dense"))
        _finish(figure, handles, tuned)
    return figure


def fine_tuning_table(cells: pd.DataFrame) -> Styler:
    """Test MSE per model, density and arm: ``mean ± standard deviation`` over the seeds; a word where none finished."""
    need(cells, "cells", _COLUMNS)
    arms = [arm for arm in ("dense", "dense longer", *SPARSE_ARMS) if arm in set(cells["arm"])]
    texts = density_labels(cells["density_asked"])
    rows = {}
    for (model, pred_len), group in cells.groupby(["model", "pred_len"], sort=False):
        for density in sorted(group["density_asked"].unique(), reverse=True):
            own = group[group["density_asked"] == density]
            present = {arm: own[own["arm"] == arm] for arm in arms}
            rows[model, f"{pred_len}", texts[density] + (" (dense)" if density == 1 else "")] = {
                arm: mean_and_spread(cell, "mse") if len(cell) else "" for arm, cell in present.items()
            }
    index = pd.MultiIndex.from_tuples(rows, names=["model", "horizon", "density"])
    table = pd.DataFrame(list(rows.values()), index=index, columns=arms)
    if cells["pred_len"].nunique() == 1:
        table = table.droplevel("horizon")
    return styled(table, "Test MSE on scaled data, mean ± standard deviation over seeds.")


def fine_tuning_verdict(cells: pd.DataFrame) -> str:
    """What training on brings back, as Markdown; every claim is one that all seeds share.

    The measure is the dense model trained as long: a pruned model that only beats the shorter-trained dense one has
    gained from training, not from pruning.
    """
    done = _drawable(cells)
    seeds = done["seed"].nunique()
    dataset = listed([str(name) for name in cells["dataset"].unique()])
    horizons = listed([str(h) for h in sorted(cells["pred_len"].unique())])
    answers = []
    for model, group in done.groupby("model", sort=False):
        reach = {arm: _lowest_within(group, arm) for arm in ("pruned", "fine-tuned")}
        answers.append(f"**{model}** {_reach_words(reach['pruned'], reach['fine-tuned'])}")
    count = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
    first = (
        f"On {dataset} (horizon {horizons}, {count}), measured against the dense model trained as long and within "
        f"{percent(TOLERANCE)} of its MSE: " + "; ".join(answers) + "."
    )
    if seeds < 2:
        return first + "\n\nOne seed only: the arms are not compared, since the spread over seeds is unknown."
    steps = _compare(done, "iterative", "fine-tuned", "Pruning step by step instead of at once")
    mask = _compare(done, "rewound", "fine-tuned", "Starting over from the initial weights under the same mask")
    bad = cells[cells["status"] != "ok"]
    failed = f" {len(bad)} of {len(cells)} cells did not finish and are left out." if len(bad) else ""
    return f"{first}\n\n{steps} {mask}{failed}"


def _lowest_within(group: pd.DataFrame, arm: str) -> float | None:
    """Lowest density such that it and every higher one keep the tolerance against ``dense longer``, mean over seeds."""
    control = group[group["arm"] == "dense longer"].groupby("pred_len")["mse"].mean()
    own = group[group["arm"] == arm].groupby(["density_asked", "pred_len"])["mse"].mean().unstack()
    inside = (own <= (1 + TOLERANCE) * control).all(axis=1).sort_index(ascending=False).cummin()
    return float(inside.index[inside].min()) if inside.any() else None


def _reach_words(without: float | None, tuned: float | None) -> str:
    if without == tuned:
        where = "at no density tried" if tuned is None else f"down to density {density_text(tuned)}"
        return f"{where}, with and without training on"
    words = ["at no density tried" if d is None else f"down to density {density_text(d)}" for d in (without, tuned)]
    return f"{words[1]} with training on, {words[0]} without"


def _compare(done: pd.DataFrame, arm: str, base: str, what: str) -> str:
    """Models for which ``arm`` is better (or worse) than ``base`` for every seed at the lowest density tried."""
    keys = ["model", "pred_len", "seed"]
    lowest = done[done["density_asked"] == done.loc[done["arm"] == base, "density_asked"].min()]
    values = lowest.pivot_table(index=keys, columns="arm", values="mse").reindex(columns=[arm, base]).dropna()
    if values.empty:
        return f"{what}: no two cells to compare."
    change = (values[arm] / values[base] - 1).groupby(level="model", sort=False)
    better = [f"**{model}** ({percent(-c.mean())})" for model, c in change if (c < 0).all()]
    worse = [f"**{model}** ({percent(c.mean())})" for model, c in change if (c > 0).all()]
    where = f"at density {density_text(lowest['density_asked'].iloc[0])}"
    parts = []
    if better:
        parts.append(f"lowers the MSE of {listed(better)}")
    if worse:
        parts.append(f"raises that of {listed(worse)}")
    if len(better) + len(worse) < len(change):
        rest = "the other models" if parts else "no model does it make a difference that all seeds share"
        parts.append(f"for {rest}" + (" the seeds disagree" if parts else ""))
    return f"{what}, {where}, " + " and ".join(parts) + "."


def _drawable(cells: pd.DataFrame) -> pd.DataFrame:
    need(cells, "cells", _COLUMNS)
    done = finished(cells)
    if not done["arm"].isin(SPARSE_ARMS).any():
        raise UserError(f"table 'cells': none of the {len(cells)} cells of a pruned model finished")
    return done


def _panels(frame: pd.DataFrame, xlabel: str, ylabel: str) -> tuple[Figure, dict[tuple[str, int], Axes]]:
    """A panel per model and horizon, up to three in a row."""
    keys = list(product(frame["model"].unique(), sorted(frame["pred_len"].unique())))
    columns = min(3, len(keys))
    rows = -(-len(keys) // columns)
    figure = Figure(figsize=(WIDTH, 1.1 + 2.7 * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid[len(keys) :]:
        axes.remove()
    for i, ((model, pred_len), axes) in enumerate(zip(keys, grid, strict=False)):
        axes.set_title(model if frame["pred_len"].nunique() == 1 else f"{model} · horizon {pred_len}")
        if i % columns == 0:
            axes.set_ylabel(ylabel)
        if i + columns >= len(keys):
            axes.set_xlabel(xlabel if columns == 1 else xlabel.split(":")[0])
    return figure, dict(zip(keys, grid, strict=False))


def _line(axes: Axes, rows: pd.DataFrame, x: str, colour: tuple, marker: str) -> None:
    """Mean and range over the seeds of ``mse_relative`` against the column ``x``."""
    points = rows.groupby(x)["mse_relative"].agg(["mean", "min", "max"])
    axes.fill_between(points.index, points["min"], points["max"], color=colour, alpha=0.18, linewidth=0, zorder=2)
    axes.plot(points.index, points["mean"], color=colour, marker=marker, markeredgecolor="white", linewidth=2, zorder=3)


def _handle(label: str, colour: tuple, marker: str) -> Line2D:
    return Line2D([], [], color=colour, marker=marker, linewidth=2, markeredgecolor="white", label=label)


def _finish(figure: Figure, handles: list[Line2D], rows: pd.DataFrame) -> None:
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 6), columnspacing=1.3)
    seeds = rows["seed"].nunique()
    note = f"Line: mean of {seeds} seeds; band: lowest to highest seed." if seeds > 1 else "One seed: no spread."
    figure.supxlabel(note, fontsize=9, color="#555555", x=0.01, ha="left")
