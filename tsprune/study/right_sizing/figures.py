"""Figures of study 03: prune a large model, distil it, or train a small one?"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsprune.errors import UserError, unknown
from tsprune.report import drawing as kit
from tsprune.report.axes import difference_axis, log_axis
from tsprune.report.cases import CASE, case_title, cases, of_case
from tsprune.report.frames import NoRows, need
from tsprune.report.style import COLOURS, INK
from tsprune.report.text import (
    NAIVE,
    counted,
    density_labels,
    error_text,
    interval_words,
    listed,
    none_of,
    percent,
    short_count,
)
from tsprune.study.right_sizing.result import ARM_WORDS, AXES, CHOICES, COSTS, MAP, SIZES, fine_tuned

_FROM_LARGE = {
    "pruned": ("#777777", "v", ":"),
    "fine-tuned": (COLOURS[3], "D", "-"),
    "distilled": (COLOURS[4], "P", "--"),
}


def pareto(sizes: pd.DataFrame, naive: pd.DataFrame, costs: Sequence[str] = ("parameters", "macs_executed")) -> Figure:
    """Test MSE against what a forecast costs: a row per model and horizon, a panel per cost, which is logarithmic.

    Dense models that were trained as long as the fine-tuned ones, a line per depth; the large model pruned to several
    sizes, with and without fine-tuning; small ones distilled from it. Line: mean over the seeds at the mean cost; bar:
    lowest to highest seed. The best naive forecast is a dotted line unless it lies above the panel. A pruned model
    whose error is far above all others sits at the upper edge, and a note gives the largest. Raises UserError for an
    empty table, a missing column, an unknown cost, and where no cell finished.
    """
    for cost in costs:
        if cost not in COSTS:
            raise UserError(unknown("cost", cost, COSTS))
    need(sizes, "sizes", SIZES)
    need(naive, "naive", ["pred_len", "model", "mse"])
    done = sizes[(sizes["status"] == "ok") & (sizes["arm"] != "dense")]
    if done.empty:
        raise NoRows(f"table 'sizes': {none_of(len(sizes), 'cell')} finished")
    lines = _lines(done)
    keys = cases(done)
    alt = f"Test MSE against {listed([COSTS[c].lower() for c in costs])}, dense, pruned, distilled."
    with kit.canvas(1.1 + 2.75 * len(keys), alt) as figure:
        grid = figure.subplots(len(keys), len(costs), squeeze=False, sharey="row")
        highest = []
        for (model, pred_len), row in zip(keys, grid, strict=True):
            group = of_case(done, model, pred_len)
            levels = naive[naive["pred_len"] == pred_len]
            top = _top(group)
            bottom = min(group["mse"].min(), levels["mse"].min())
            row[0].set_ylim(bottom - 0.06 * (top - bottom), top)
            for cost, axes in zip(costs, row, strict=True):
                highest.append(_fronts(axes, group, cost, lines, top))
                _naive_line(axes, levels, top)
            row[0].set_title(case_title(sizes, model, pred_len))
            row[0].set_ylabel("Test MSE, scaled data")
        for cost, axes in zip(costs, grid[-1], strict=True):
            axes.set_xlabel(f"{COSTS[cost]} (log scale)")
        kit.legend(figure, [kit.handle(name, *look, linestyle=stroke) for name, (*look, stroke) in lines.items()])
        far = f"△ above the axis: MSE up to {error_text(max(highest))}." if max(highest) else ""
        kit.note(figure, kit.spread_note(done, "Point", "bar"), far)
    return figure


def _lines(done: pd.DataFrame) -> dict[str, tuple]:
    """Colour, marker and stroke of each line: dense ones by depth, then those that the large one is needed for."""
    names = _line_names(done)
    dense = kit.looks(sorted(names[done["arm"] == "dense longer"].unique()))
    others = {ARM_WORDS[arm]: look for arm, look in _FROM_LARGE.items() if arm in set(done["arm"])}
    return {name: (*look, "-") for name, look in dense.items()} | others


def _line_names(rows: pd.DataFrame) -> pd.Series:
    """What the line of a row is called: all but dense models have one depth, that of the large one."""
    depth = rows["depth"].map(lambda layers: f", {counted(layers, 'layer')}")
    return rows["arm"].map(ARM_WORDS) + depth.where(rows["arm"] == "dense longer", "")


def _top(group: pd.DataFrame) -> float:
    """Upper end of the MSE axis: every model that was trained on, and pruned ones unless they are far off."""
    trained = group.loc[group["arm"] != "pruned", "mse"]
    low, high = group["mse"].min(), (trained if len(trained) else group["mse"]).max()
    return min(group["mse"].max(), high + 0.6 * max(high - low, 0.1 * high)) + 0.06 * max(high - low, 1e-9)


def _fronts(axes: Axes, group: pd.DataFrame, cost: str, lines: dict[str, tuple], top: float) -> float:
    """Every line of one panel of :func:`pareto`; returned is the largest mean above ``top``, or 0."""
    names = _line_names(group)
    highest = max(_front(axes, group[names == name], cost, look, top) for name, look in lines.items())
    if group[cost].notna().any():
        log_axis(axes.xaxis, 0.85 * group[cost].min(), 1.18 * group[cost].max(), text=short_count)
    axes.grid(axis="y", zorder=0)
    return highest


def _front(axes: Axes, rows: pd.DataFrame, cost: str, look: tuple, top: float) -> float:
    """One line of :func:`pareto`, a point per size; returned is the largest mean above ``top``, or 0."""
    colour, marker, stroke = look
    drawn = kit.points(rows[rows[cost].notna()], cost, "mse", ["width", "depth"])
    shape = {"marker": marker, "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.7}
    axes.plot(drawn["at"], drawn["mean"], color=colour, linestyle=stroke, linewidth=1.8, zorder=3, **shape)
    axes.vlines(drawn["at"], drawn["low"], drawn["high"], color=colour, linewidth=3, alpha=0.35, zorder=2)
    kit.mark_above(axes, drawn, top, colour)
    return drawn["mean"].where(drawn["mean"] > top, 0.0).max() if len(drawn) else 0.0


def _naive_line(axes: Axes, naive: pd.DataFrame, top: float) -> None:
    naive = naive[naive["mse"] <= top]
    if naive.empty:
        return
    best = naive.loc[naive["mse"].idxmin()]
    axes.axhline(best["mse"], color=INK, linestyle=kit.DOTTED, linewidth=1.3, zorder=1, gid="naive")
    name = NAIVE.get(best["model"], best["model"])
    axes.annotate(name, (0.01, best["mse"]), xycoords=axes.get_yaxis_transform(), ha="left", va="bottom", fontsize=8.5)


def comparison(comparison: pd.DataFrame) -> Figure | None:
    """Difference in test MSE to dense models that cost no more, with its 95 % interval: a panel per model and horizon,
    a row per size and axis. Filled where the interval leaves out zero and there are seeds enough to claim it.

    Only fine-tuned models; None where none of them can be compared. Raises UserError for an empty table, a missing
    column, an unknown axis.
    """
    tuned = fine_tuned(comparison)
    shown = tuned[tuned["relative"].notna()]
    if shown.empty:
        return None
    axis_looks = {axis: look for axis, look in kit.looks(AXES).items() if axis in set(shown["axis"])}
    keys = cases(shown)
    height = shown.groupby(CASE)["width"].nunique().max() * 0.17 * (len(axis_looks) + 1.5)
    alt = "Differences in test MSE between pruned models and dense ones that cost no more, with intervals."
    with kit.canvas(1.3 + (height + 0.7) * -(-len(keys) // 2), alt) as figure:
        for case, axes in zip(keys, kit.panels(figure, len(keys), 2, "", "Size (d_model)"), strict=True):
            _differences(axes, of_case(shown, *case), axis_looks)
            axes.set_title(case_title(comparison, *case))
        kit.legend(figure, [kit.handle(AXES[axis], *look) for axis, look in axis_looks.items()])
        what = "Colour: which cost of the dense model is no higher. Left of 0: pruned and fine-tuned is better."
        kit.note(figure, what, "Filled: claimed; hollow: within the noise.", interval_words(shown))
    return figure


def _differences(axes: Axes, group: pd.DataFrame, axis_looks: dict[str, tuple]) -> None:
    """A line per size, the largest on top; in it a dot per axis."""
    widths = sorted(group["width"].unique(), reverse=True)
    step = 0.8 / len(axis_looks)
    for row in group.to_dict("records"):
        place = widths.index(row["width"]) - 0.4 + step * (0.5 + list(axis_looks).index(row["axis"]))
        kit.difference_dot(axes, place, row, *axis_looks[row["axis"]])
    difference_axis(axes, "MSE against the dense model")
    kit.lines_named(axes, [f"{width}" for width in widths])


def data_map(data_map: pd.DataFrame, choices: pd.DataFrame) -> Figure:
    """Test MSE by width and density: a row of heat maps per model and horizon, one per share of the data.

    Means over the seeds; a frame marks the choice of best validation MSE. One scale of colours per row. Raises
    UserError for an empty table or a missing column, and where no cell finished.
    """
    need(data_map, "data_map", MAP)
    if len(choices):
        need(choices, "choices", CHOICES)
    done = data_map[data_map["status"] == "ok"]
    if done.empty:
        raise NoRows(f"table 'data_map': {none_of(len(data_map), 'cell')} finished")
    keys = cases(done)
    fractions, widths = sorted(data_map["data_fraction"].unique()), sorted(data_map["width"].unique())
    texts = density_labels(data_map["density_asked"])
    alt = "Heat maps of test MSE by width and density, for each share of the training data."
    with kit.canvas(0.8 + len(keys) * (0.75 + 0.36 * len(widths)), alt) as figure:
        grid = figure.subplots(len(keys), len(fractions), squeeze=False)
        for case, row in zip(keys, grid, strict=True):
            own, chosen = of_case(done, *case), of_case(choices, *case)
            means = own.groupby(["data_fraction", "width", "density_asked"])["mse"].mean()
            ends = means.min(), means.max()
            for fraction, axes in zip(fractions, row, strict=True):
                cells, best = (rows[rows["data_fraction"] == fraction] for rows in (own, chosen))
                _error_map(axes, cells, best, widths, texts, ends)
                axes.set_title(f"{percent(fraction)} of the data")
            for axes in row[1:]:
                axes.set_yticks([])
            row[0].set_title(f"{case_title(data_map, *case)} · {row[0].get_title(loc='left')}")
            row[0].set_ylabel("d_model")
        for axes in grid[-1]:
            axes.set_xlabel("Density (1: dense)")
        seeds = done["seed"].nunique()
        mean = f"Test MSE, mean of {seeds} seeds" if seeds > 1 else "Test MSE, one seed"
        frame = "Frame: best validation MSE. Density: share of the width's own parameters."
        kit.note(figure, f"{mean}; bright: low.", frame)
    return figure


def _error_map(
    axes: Axes,
    cells: pd.DataFrame,
    chosen: pd.DataFrame,
    widths: Sequence[int],
    texts: dict[float, str],
    ends: tuple[float, float],
) -> None:
    """Mean test MSE by width and density, what is ``chosen`` framed; ``ends`` have the first and the last colour."""
    table = cells.pivot_table(index="width", columns="density_asked", values="mse")
    table = table.reindex(index=widths, columns=[*texts]).rename(columns=texts)
    framed = [(width, texts[density]) for width, density in zip(chosen["width"], chosen["density_asked"], strict=True)]
    kit.heat_map(axes, table, error_text, ends=ends, framed=framed)
