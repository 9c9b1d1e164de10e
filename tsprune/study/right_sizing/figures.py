"""Figures, tables and verdict of study 03: prune a large model, fine-tune it, or train a small one?

``sizes`` has a row per arm, size and seed: ``dense`` and ``dense longer`` (trained on, as every pruned one is),
``pruned`` and ``fine-tuned`` (the large model narrowed to the size of the dense one of ``width`` and ``depth``), with
its costs. ``comparison`` has a row per pruned model and axis of equal cost: the dense model it is measured against and
the relative difference of the test MSE with its interval (positive: pruned is worse). ``data_map`` has a row per share
of the data, width, density and seed, ``choices`` the best of them per share of the data.
"""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tsprune.errors import UserError, unknown
from tsprune.report.drawing import COLOURS, INK, MARKERS, RC, WIDTH, case_title, note, spread_note
from tsprune.report.frames import need
from tsprune.report.text import NAIVE, density_labels, error_text, interval_words, listed, percent, short_count
from tsprune.study.right_sizing.result import ARM_WORDS, AXES, CHOICES, COSTS, MAP, SIZES, fine_tuned

_PRUNED = {"pruned": ("#777777", "v", ":"), "fine-tuned": (COLOURS[3], "D", "-")}


def pareto(sizes: pd.DataFrame, naive: pd.DataFrame, costs: Sequence[str] = ("parameters", "macs_executed")) -> Figure:
    """Test MSE against what a forecast costs: a row per model and horizon, a panel per cost, which is logarithmic.

    Dense models that were trained as long as the fine-tuned ones, a line per depth; the large model pruned to several
    sizes, with and without fine-tuning. Line: mean over the seeds at the mean cost; bar: lowest to highest seed. The
    best naive forecast is a dotted line unless it lies above the panel. A pruned model whose error is far above all
    others sits at the upper edge, and a note gives the largest. Raises UserError for an empty table, a missing column,
    an unknown cost, and where no cell finished.
    """
    for cost in costs:
        if cost not in COSTS:
            raise UserError(unknown("cost", cost, COSTS))
    need(sizes, "sizes", SIZES)
    need(naive, "naive", ["pred_len", "model", "mse"])
    done = sizes[(sizes["status"] == "ok") & (sizes["arm"] != "dense")]
    if done.empty:
        raise UserError(f"table 'sizes': none of the {len(sizes)} cells finished")
    looks = {("dense longer", d): (COLOURS[i], MARKERS[i], "-") for i, d in enumerate(sorted(sizes["depth"].unique()))}
    looks |= {(arm, None): look for arm, look in _PRUNED.items()}
    cases = list(done.groupby(["model", "pred_len"], sort=False))
    highest = 0.0
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.1 + 2.75 * len(cases)), layout="constrained")
        figure.set_label(f"Test MSE against {listed([COSTS[c].lower() for c in costs])}, dense and pruned models.")
        grid = figure.subplots(len(cases), len(costs), squeeze=False, sharey="row")
        for ((model, pred_len), group), row in zip(cases, grid, strict=True):
            top = _top(group)
            for cost, axes in zip(costs, row, strict=True):
                for (arm, depth), look in looks.items():
                    own = group[(group["arm"] == arm) & (group["depth"].eq(depth) | (depth is None))]
                    _front(axes, own, cost, look, top)
                _cost_axis(axes, group[cost])
                _naive_line(axes, naive[naive["pred_len"] == pred_len], top)
            bottom = min(group["mse"].min(), naive.loc[naive["pred_len"] == pred_len, "mse"].min())
            row[0].set_ylim(bottom - 0.06 * (top - bottom), top)
            row[0].set_title(case_title(sizes, model, pred_len))
            row[0].set_ylabel("Test MSE")
            means = group.groupby(["arm", "width"])["mse"].mean()
            highest = max(highest, means[means > top].max() if (means > top).any() else 0.0)
        for cost, axes in zip(costs, grid[-1], strict=True):
            axes.set_xlabel(f"{COSTS[cost]} (log scale)")
        _pareto_legend(figure, looks, done, highest)
    return figure


def _top(group: pd.DataFrame) -> float:
    """Upper end of the MSE axis: every model that was trained on, and pruned ones unless they are far off."""
    trained = group.loc[group["arm"] != "pruned", "mse"]
    low, high = (group["mse"].min(), trained.max()) if len(trained) else (group["mse"].min(), group["mse"].max())
    return min(max(group["mse"].max(), high), high + 0.6 * max(high - low, 0.1 * high)) + 0.06 * max(high - low, 1e-9)


def _front(axes: Axes, rows: pd.DataFrame, cost: str, look: tuple, top: float) -> None:
    """One line of :func:`pareto`: a point per size."""
    rows = rows[rows[cost].notna()]
    if rows.empty:
        return
    colour, marker, style = look
    points = rows.groupby(["width", "depth"]).agg(
        x=(cost, "mean"), mean=("mse", "mean"), low=("mse", "min"), high=("mse", "max")
    )
    points = points.sort_values("x")
    shape = {"marker": marker, "markersize": 6, "markeredgecolor": "white", "markeredgewidth": 0.7}
    axes.plot(points["x"], points["mean"], color=colour, linestyle=style, linewidth=1.8, zorder=3, **shape)
    axes.vlines(points["x"], points["low"], points["high"], color=colour, linewidth=3, alpha=0.35, zorder=2)
    above = points["x"][points["mean"] > top]
    if len(above):
        triangle = {"marker": "^", "markersize": 8, "markerfacecolor": "white", "markeredgewidth": 1.6}
        base = axes.get_xaxis_transform()
        sign = {"color": colour, "linestyle": "none", "clip_on": False, "zorder": 5, "transform": base}
        axes.plot(above, np.full(len(above), 0.97), **triangle, **sign)


def _cost_axis(axes: Axes, values: pd.Series) -> None:
    """Log axis with ticks that are read without powers of ten."""
    axes.set_xscale("log")
    if values.notna().any():
        axes.set_xlim(0.85 * values.min(), 1.18 * values.max())
    ends = axes.get_xlim()
    # Few decades need ticks in between.
    within = (1.0,) if ends[1] / ends[0] > 300 else (1.0, 3.0) if ends[1] / ends[0] > 20 else (1.0, 2.0, 5.0)
    if ends[1] / ends[0] < 4:
        within = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
    axes.xaxis.set_major_locator(LogLocator(subs=within))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", zorder=0)


def _naive_line(axes: Axes, naive: pd.DataFrame, top: float) -> None:
    if naive.empty or naive["mse"].min() > top:
        return
    best = naive.loc[naive["mse"].idxmin()]
    axes.axhline(best["mse"], color=INK, linestyle=(0, (1, 1.6)), linewidth=1.3, zorder=1, gid="naive")
    name = NAIVE.get(best["model"], best["model"])
    axes.annotate(name, (0.01, best["mse"]), xycoords=axes.get_yaxis_transform(), ha="left", va="bottom", fontsize=8.5)


def _pareto_legend(figure: Figure, looks: dict, done: pd.DataFrame, highest: float) -> None:
    handles = []
    for (arm, depth), (colour, marker, style) in looks.items():
        own = done[(done["arm"] == arm) & (done["depth"].eq(depth) | (depth is None))]
        if own.empty:
            continue
        layers = "" if depth is None else f", {depth} layer{'s' if depth > 1 else ''}"
        line = {"marker": marker, "linestyle": style, "linewidth": 1.8, "markeredgecolor": "white"}
        handles.append(Line2D([], [], color=colour, label=ARM_WORDS[arm] + layers, **line))
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 5), columnspacing=1.3)
    notes = [f"△ above the axis: MSE up to {error_text(highest)}."] if highest else []
    note(figure, spread_note(done, "Point", "bar"), *notes)


def comparison(comparison: pd.DataFrame) -> Figure | None:
    """Difference in test MSE at equal cost, with its 95 % interval: a panel per model and horizon, a row per size and
    axis. Filled where the interval leaves out zero and there are seeds enough to claim it.

    Only fine-tuned models; None where none of them can be compared. Raises UserError for an empty table, a missing
    column, an unknown axis.
    """
    tuned = fine_tuned(comparison)
    shown = tuned[tuned["relative"].notna()]
    if shown.empty:
        return None
    looks = {axis: (COLOURS[i], MARKERS[i]) for i, axis in enumerate(AXES) if axis in set(shown["axis"])}
    cases = list(shown.groupby(["model", "pred_len"], sort=False))
    with mpl.rc_context(RC):
        columns = min(2, len(cases))
        lines = -(-len(cases) // columns)
        height = max(group["width"].nunique() for _, group in cases) * 0.17 * (len(looks) + 1.5)
        figure = Figure(figsize=(WIDTH, 1.3 + (height + 0.7) * lines), layout="constrained")
        figure.set_label("Differences in test MSE between pruned and dense models at equal cost, with intervals.")
        grid = list(figure.subplots(lines, columns, squeeze=False).flat)
        for axes in grid[len(cases) :]:
            axes.remove()
        for i, (((model, pred_len), group), axes) in enumerate(zip(cases, grid, strict=False)):
            _intervals(axes, group, looks)
            axes.set_title(case_title(comparison, model, pred_len))
            if i + columns >= len(cases):
                axes.set_xlabel("MSE against the dense model, %")
            if i % columns == 0:
                axes.set_ylabel("Size (d_model)")
        handles = [
            Line2D([], [], color=colour, marker=marker, linewidth=2, label=AXES[axis])
            for axis, (colour, marker) in looks.items()
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), columnspacing=1.3)
        what = "Colour: what the two have in common. Left of 0: pruned and fine-tuned is better."
        note(figure, what, "Filled: claimed; hollow: within the noise.", interval_words(shown))
    return figure


def _intervals(axes: Axes, group: pd.DataFrame, looks: dict) -> None:
    widths = sorted(group["width"].unique())
    step = 0.8 / max(len(looks), 1)
    for record in group.to_dict("records"):
        colour, marker = looks[record["axis"]]
        y = widths.index(record["width"]) + 0.4 - step * (0.5 + list(looks).index(record["axis"]))
        axes.hlines(y, 100 * record["low"], 100 * record["high"], color=colour, linewidth=2, zorder=2)
        look = {"marker": marker, "color": colour, "markerfacecolor": colour if record["clear"] else "white"}
        axes.plot(100 * record["relative"], y, markersize=6, zorder=3, **look)
    axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
    axes.set_yticks(range(len(widths)), [f"{width}" for width in widths])
    axes.set_ylim(-0.5, len(widths) - 0.5)
    axes.grid(axis="x", zorder=0)


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
        raise UserError(f"table 'data_map': none of the {len(data_map)} cells finished")
    cases = list(done.groupby(["model", "pred_len"], sort=False))
    fractions = sorted(data_map["data_fraction"].unique())
    widths = sorted(data_map["width"].unique())
    texts = density_labels(data_map["density_asked"])
    with mpl.rc_context(RC):
        size = (WIDTH, 0.8 + len(cases) * (0.75 + 0.36 * len(widths)))
        figure = Figure(figsize=size, layout="constrained")
        figure.set_label("Heat maps of test MSE by width and density, for each share of the training data.")
        grid = figure.subplots(len(cases), len(fractions), squeeze=False)
        for ((model, pred_len), group), row in zip(cases, grid, strict=True):
            means = group.groupby(["data_fraction", "width", "density_asked"])["mse"].mean()
            for fraction, axes in zip(fractions, row, strict=True):
                table = means.reindex(
                    pd.MultiIndex.from_product([[fraction], widths, texts], names=means.index.names)
                ).unstack("density_asked")[list(texts)]
                _heat_map(axes, table.to_numpy(), means.min(), means.max())
                axes.set_xticks(range(len(texts)), [*texts.values()], fontsize=8.5)
                own = choices[(choices["model"] == model) & (choices["pred_len"] == pred_len)]
                for choice in own[own["data_fraction"] == fraction].to_dict("records"):
                    x, y = list(texts).index(choice["density_asked"]), widths.index(choice["width"])
                    frame = Rectangle((x - 0.47, y - 0.46), 0.94, 0.92, fill=False, edgecolor=COLOURS[3], linewidth=3)
                    axes.add_patch(frame)
                axes.set_yticks(range(len(widths)), [f"{w}" for w in widths] if axes is row[0] else [])
                case = f"{case_title(data_map, model, pred_len)} · " if axes is row[0] else ""
                axes.set_title(f"{case}{percent(fraction)} of the data")
            row[0].set_ylabel("d_model")
        for axes in grid[-1]:
            axes.set_xlabel("Density (1: dense)")
        seeds = done["seed"].nunique()
        mean = f"Test MSE, mean of {seeds} seeds" if seeds > 1 else "Test MSE, one seed"
        note(figure, f"{mean}; bright: low. Frame: best validation MSE. Density: share of the width's own parameters.")
    return figure


def _heat_map(axes: Axes, table: np.ndarray, low: float, high: float) -> None:
    axes.imshow(table, aspect="auto", cmap="cividis_r", vmin=low, vmax=high)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (y, x), value in np.ndenumerate(table):
        dark = np.isfinite(value) and value > (low + high) / 2
        text = error_text(value) if np.isfinite(value) else "none"
        axes.text(x, y, text, ha="center", va="center", fontsize=9, color="#f5f5f5" if dark else "#111111")
