"""Figures of study 04: does more data need a bigger model, and does pruning change the answer?

``cells`` has a row per model, horizon, share of the data, size and seed; ``width`` is d_model before pruning, ``arm``
one of ``dense``, ``dense longer`` (the smallest width, trained as long as a pruned model in all), ``pruned``,
``fine-tuned``. ``differences`` has a row per comparison: test MSE of ``ours`` relative to ``others``, with an interval.
"""

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from tsprune.errors import UserError
from tsprune.report.drawing import COLOURS, INK, MARKERS, RC, WIDTH, band_line, case_title, handle, note, spread_note
from tsprune.report.frames import finished, need
from tsprune.report.text import density_labels, error_text
from tsprune.study.entsoe_scale.result import CELLS, UNKNOWN_UNIT, need_countries, seasonal

LINES = {"structured": "-", "unstructured": (0, (4, 1.5))}

_NAIVE_LINE = {"color": INK, "linestyle": ":", "linewidth": 1.6}

_MOST = 40
"""Columns that a figure or a list of them shows at most, those with the largest load."""


def scale(cells: pd.DataFrame, naive: pd.DataFrame) -> Figure:
    """Test MSE against training windows: a row per model and horizon, dense models left, pruned and fine-tuned right.

    Left a line per width. Right the widest model pruned and fine-tuned, a colour per density and a stroke per
    structure, beside the smallest dense model trained as long. Line: mean over the seeds; band: lowest to highest. The
    dotted line is the seasonal naive forecast; where it is so far above that the models' lines could not be told apart,
    a note says where it is. Both axes are logarithmic. Raises UserError for an empty table, a
    missing column, and where no cell finished.
    """
    need(cells, "cells", CELLS)
    done, levels = finished(cells), seasonal(naive)
    if done.empty:
        raise UserError(f"table 'cells': none of the {len(cells)} cells finished")
    widths = sorted(cells["width"].unique())
    colours = {width: COLOURS[i % len(COLOURS)] for i, width in enumerate(widths)}
    pruned = cells[cells["arm"] == "fine-tuned"]
    densities = density_labels(pruned["density_asked"])
    tones = {d: COLOURS[(len(widths) + i) % len(COLOURS)] for i, d in enumerate(densities)}
    rows = list(done.groupby(["model", "pred_len"], sort=False))
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.5 + 2.9 * len(rows)), layout="constrained")
        figure.set_label("Line charts of test MSE against the number of training windows, by width and by density.")
        grid = figure.subplots(len(rows), 2, squeeze=False, sharey="row")
        for ((model, pred_len), group), (left, right) in zip(rows, grid, strict=True):
            left.set_title(f"{case_title(cells, model, pred_len)}: dense, by width")
            right.set_title("The widest one, pruned and fine-tuned")
            for i, width in enumerate(widths):
                own = group[(group["arm"] == "dense") & (group["width"] == width)]
                band_line(left, own, "windows_train", "mse", color=colours[width], marker=MARKERS[i % len(MARKERS)])
            for structure, stroke in LINES.items():
                for density, tone in tones.items():
                    own = group[(group["arm"] == "fine-tuned") & (group["structure"] == structure)]
                    own = own[own["density_asked"] == density]
                    band_line(
                        right,
                        own,
                        "windows_train",
                        "mse",
                        color=tone,
                        linestyle=stroke,
                        marker="o" if stroke == "-" else "s",
                    )
            control = group[group["arm"] == "dense longer"]
            band_line(right, control, "windows_train", "mse", color=colours[widths[0]], marker=MARKERS[0])
            drawn = group.loc[group["arm"] != "pruned", "mse"]
            _mse_axis(left, drawn.min(), drawn.max(), levels[pred_len])
            for axes in (left, right):
                _windows_axis(axes, group)
                if levels[pred_len] <= left.get_ylim()[1]:
                    axes.axhline(levels[pred_len], **_NAIVE_LINE, zorder=1)
                else:
                    text = f"seasonal naive {error_text(levels[pred_len])}, above the panel \u2191"
                    axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=9)
            right.grid(axis="y", zorder=0)
            left.set_ylabel("Test MSE, scaled data (log scale)")
        for axes in grid[-1]:
            axes.set_xlabel("Training windows (log scale), and their share")
        dense = [
            handle(f"d_model {width}", colours[width], MARKERS[i % len(MARKERS)]) for i, width in enumerate(widths)
        ]
        if any(line.get_linestyle() == ":" for axes in grid.flat for line in axes.lines):
            dense.append(Line2D([], [], **_NAIVE_LINE, label="seasonal naive"))
        cut = [
            handle(f"{structure}, density {densities[d]}", tones[d], marker, linestyle=stroke)
            for (structure, stroke), marker in zip(LINES.items(), "os", strict=True)
            for d in densities
        ]
        cut.append(handle(f"d_model {widths[0]}, dense, trained as long", colours[widths[0]], MARKERS[0]))
        figure.legend(handles=dense, loc="outside upper left", ncols=2, columnspacing=1.3)
        figure.legend(handles=cut, loc="outside upper right", ncols=2, columnspacing=1.3)
        note(figure, spread_note(done))
    return figure


def countries(countries: pd.DataFrame) -> Figure:
    """Mean absolute error as percent of the mean load: a dot per column and forecaster, the hardest column on top."""
    need_countries(countries)
    kinds = [kind for kind in ("naive", "dense", "fine-tuned") if kind in set(countries["kind"])]
    horizons = sorted(countries["pred_len"].unique())
    names = countries.drop_duplicates("column").nlargest(_MOST, "load")["column"]
    shown = countries[countries["column"].isin(names)]
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 1.3 + 0.25 * len(names)), layout="constrained")
        figure.set_label("Dots: mean absolute error as percent of the load, per column and forecaster.")
        panels = figure.subplots(1, len(horizons), squeeze=False, sharex=True)[0]
        for pred_len, axes in zip(horizons, panels, strict=True):
            own = shown[shown["pred_len"] == pred_len]
            order = own[own["kind"] == kinds[0]].sort_values("percent")["column"].tolist()
            place = {column: i for i, column in enumerate(order)}
            for i, kind in enumerate(kinds):
                rows = own[own["kind"] == kind]
                y = rows["column"].map(place)
                tone = INK if kind == "naive" else COLOURS[i - 1]
                axes.hlines(y, rows["percent_low"], rows["percent_high"], color=tone, linewidth=1.5, zorder=2)
                look = {"marker": "d" if kind == "naive" else MARKERS[i - 1], "facecolor": tone}
                axes.scatter(
                    rows["percent"], y, s=38, edgecolor="white", zorder=3, label=rows["forecaster"].iloc[0], **look
                )
            axes.set_yticks(range(len(order)), order)
            axes.tick_params(axis="y", length=0)
            axes.set_xlim(left=0)
            axes.grid(axis="both", zorder=0)
            axes.set_xlabel("Mean absolute error, % of mean load")
            title = f"Horizon {pred_len}" if len(horizons) > 1 else None
            axes.set_title(title)
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0 if title is None else 1.06), ncols=3, borderpad=0)
    return figure


def week(week: pd.DataFrame, unit: str | None) -> Figure:
    """Truth, forecast and seasonal naive forecast over a week of the test split: a panel per column, dates below."""
    need(week, "week", ["column", "date", "truth", "forecast", "naive", "forecaster"])
    panels = list(week.groupby("column", sort=False))
    looks = {
        "truth": {"color": INK, "linewidth": 2.2},
        "forecast": {"color": COLOURS[0], "linewidth": 1.8},
        "naive": {"color": COLOURS[1], "linewidth": 1.3, "linestyle": (0, (4, 1.5))},
    }
    words = {"truth": "truth", "forecast": week["forecaster"].iloc[0], "naive": "seasonal naive"}
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 0.9 + 1.95 * len(panels)), layout="constrained")
        figure.set_label("Line charts of a week: truth, forecast and seasonal naive forecast.")
        for (column, rows), axes in zip(
            panels, figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0], strict=True
        ):
            for name, look in looks.items():
                axes.plot(rows["date"], rows[name], label=words[name], **look)
            axes.set_title(str(column))
            axes.set_ylabel(unit or UNKNOWN_UNIT)
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
            axes.grid(zorder=0)
            axes.margins(x=0)
        locator = AutoDateLocator(maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        handles = axes.get_legend_handles_labels()[0]
        figure.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.3)
    return figure


def _windows_axis(axes: Axes, rows: pd.DataFrame) -> None:
    shares = rows.groupby("windows_train")["data_fraction"].first()
    axes.set_xscale("log")
    axes.set_xlim(0.85 * shares.index.min(), 1.18 * shares.index.max())
    axes.xaxis.set_major_locator(FixedLocator(list(shares.index)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}\n{shares[n]:.0%}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _mse_axis(axes: Axes, low: float, high: float, naive: float) -> None:
    """Log axis of the models' errors, with the naive forecast's where that leaves them half of the panel."""
    top = max(high, naive) if naive < high**2 / low else 1.06 * high
    axes.set_yscale("log")
    axes.set_ylim(0.95 * low, 1.06 * top)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", zorder=0)
