"""Figures of study 04: does more data need a bigger model, and does pruning change the answer?"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter

from tsprune.report import drawing as kit
from tsprune.report.axes import log_axis
from tsprune.report.cases import case_title, cases, of_case
from tsprune.report.frames import NoRows, need
from tsprune.report.style import COLOURS, INK, WIDTH
from tsprune.report.text import UNKNOWN_UNIT, density_labels, error_text, none_of, percent
from tsprune.study.entsoe_scale.fits import LEVEL, fitted
from tsprune.study.entsoe_scale.result import (
    CELLS,
    LAST_WEEK,
    SCALING,
    SEASONAL,
    need_countries,
    seasonal,
    weekly,
    with_error,
)

LINES = {"structured": ("-", "o"), "unstructured": ((0, (4, 1.5)), "s")}
"""Stroke and marker of a pruned model."""

_NAIVE_LINES = {
    SEASONAL: {"linestyle": ":", "linewidth": 1.6},
    LAST_WEEK: {"linestyle": "-.", "linewidth": 1.2},
}

_MOST = 40
"""Columns that a figure or a list of them shows at most, those with the largest load."""


def scale(cells: pd.DataFrame, naive: pd.DataFrame) -> Figure:
    """Test MSE against training windows: a row per model and horizon, dense models left, pruned and fine-tuned right.

    Left a line per width. Right the widest model pruned and fine-tuned, a colour per density and a stroke per
    structure, beside the dense models trained as long. Line: mean over the seeds; band: lowest to highest. The
    dotted line is the seasonal naive forecast, the one of dashes and dots the value a week before; where one is so far
    above or below that the models' lines could not be told apart, a note says where it is. Both axes are logarithmic.
    Raises UserError for an empty table, a missing column, and where no cell finished.
    """
    need(cells, "cells", CELLS)
    done = with_error(cells)
    levels = {SEASONAL: seasonal(naive), LAST_WEEK: weekly(naive)}
    if done.empty:
        raise NoRows(f"table 'cells': {none_of(len(cells), 'cell')} finished")
    texts = density_labels(cells.loc[cells["arm"] == "fine-tuned", "density_asked"])
    widths = sorted(cells["width"].unique())
    every = kit.looks([*widths, *(f"density {text}" for text in texts.values())])
    dense = {width: every[width] for width in widths}
    tones = {density: every[f"density {text}"][0] for density, text in texts.items()}
    keys = cases(done)
    alt = "Line charts of test MSE against the number of training windows, by width and by density."
    with kit.canvas(1.5 + 2.9 * len(keys), alt) as figure:
        grid = figure.subplots(len(keys), 2, squeeze=False, sharey="row")
        near = set()
        for (model, pred_len), row in zip(keys, grid, strict=True):
            group = of_case(done, model, pred_len)
            _dense_lines(row[0], group, dense)
            _pruned_lines(row[1], group, tones, dense)
            row[0].set_title(f"{case_title(cells, model, pred_len)}: dense, by width")
            row[1].set_title("The widest one, pruned and fine-tuned")
            row[0].set_ylabel("Test MSE, scaled data (log scale)")
            drawn = group.loc[group["arm"] != "pruned", "mse"]
            for axes in row:
                _windows_axis(axes, group)
                beaten = {name: level[pred_len] for name, level in levels.items() if pred_len in level}
                near |= _mse_axis(axes, drawn.min(), drawn.max(), beaten)
        for axes in grid[-1]:
            axes.set_xlabel("Training windows (log scale), and their share")
        of_widths = [kit.handle(f"d_model {width}", *look) for width, look in dense.items()]
        level = [kit.handle(name, **look) for name, look in _NAIVE_LINES.items() if name in near]
        longer = sorted(done.loc[done["arm"] == "dense longer", "width"].unique())
        controls = [kit.handle(f"d_model {width}, dense, trained as long", *dense[width]) for width in longer]
        kit.legend(figure, [*of_widths, *level], "left", 0.38 * WIDTH)
        kit.legend(figure, [*_density_lines(tones, texts), *controls], "right", 0.62 * WIDTH)
        kit.note(figure, kit.spread_note(done))
    return figure


def _density_lines(tones: dict[float, tuple], texts: dict[float, str]) -> list[Line2D]:
    """What the legend has for each structure and density."""
    return [
        kit.handle(f"{structure}, density {texts[density]}", tone, marker, linestyle=stroke)
        for structure, (stroke, marker) in LINES.items()
        for density, tone in tones.items()
    ]


def _dense_lines(axes: Axes, group: pd.DataFrame, dense: dict[int, tuple]) -> None:
    for width, (colour, marker) in dense.items():
        own = group[(group["arm"] == "dense") & (group["width"] == width)]
        kit.band_line(axes, own, "windows_train", "mse", color=colour, marker=marker)


def _pruned_lines(axes: Axes, group: pd.DataFrame, tones: dict[float, tuple], dense: dict[int, tuple]) -> None:
    """A line per structure and density, and per width of the dense models trained as long."""
    tuned = group[group["arm"] == "fine-tuned"]
    for structure, (stroke, marker) in LINES.items():
        for density, tone in tones.items():
            own = tuned[(tuned["structure"] == structure) & (tuned["density_asked"] == density)]
            kit.band_line(axes, own, "windows_train", "mse", color=tone, linestyle=stroke, marker=marker)
    longer = group[group["arm"] == "dense longer"]
    for width, (colour, marker) in dense.items():
        if len(own := longer[longer["width"] == width]):
            kit.band_line(axes, own, "windows_train", "mse", color=colour, marker=marker, linewidth=1.2)


def _windows_axis(axes: Axes, rows: pd.DataFrame) -> None:
    shares = rows.groupby("windows_train")["data_fraction"].first().sort_index(ascending=False)
    windows = [*shares.index]
    log_axis(axes.xaxis, 0.85 * windows[-1], 1.18 * windows[0], windows, lambda n: f"{n:,.0f}\n{percent(shares[n])}")
    axes.xaxis.set_minor_locator(FixedLocator(windows))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _mse_axis(axes: Axes, low: float, high: float, levels: dict[str, float]) -> set[str]:
    """Log axis of the models' errors, and of the naive forecasts' where that leaves them half of the panel.

    Returns the names of those that it shows.
    """
    near = {name: level for name, level in levels.items() if low**2 / high <= level < high**2 / low}
    above = [
        f"{name} {error_text(level)}, above the panel \u2191"
        for name, level in levels.items()
        if level >= high**2 / low
    ]
    below = [
        f"{name} {error_text(level)}, below the panel \u2193" for name, level in levels.items() if level < low**2 / high
    ]
    room, depth = 1.06 + 0.1 * len(above), 0.95 - 0.1 * len(below)  # for their names, beyond all lines
    log_axis(axes.yaxis, depth * min([low, *near.values()]), room * max([high, *near.values()]), text="{:.3g}".format)
    axes.grid(axis="y", zorder=0)
    for name, level in near.items():
        axes.axhline(level, color=INK, zorder=1, **_NAIVE_LINES[name])
    for names, height, side in ((above, 0.97, "top"), (below, 0.03, "bottom")):
        if names:
            axes.text(0.98, height, "\n".join(names), transform=axes.transAxes, ha="right", va=side, fontsize=9)
    return set(near)


def scaling(scaling: pd.DataFrame) -> Figure:
    """Test MSE of the dense models against training windows: a row per model and horizon, a panel per dataset.

    A point per seed and a colour per width; the line is the power law :func:`fitted` to them, in its band. Both axes
    are logarithmic. Raises UserError for an empty table, a missing column, and where no training finished.
    """
    need(scaling, "scaling", SCALING)
    done = scaling[scaling["status"] == "ok"]
    if done.empty:
        raise NoRows(f"table 'scaling': {none_of(len(scaling), 'training')} finished")
    looks, names, keys = kit.looks(sorted(done["width"].unique())), list(done["dataset"].unique()), cases(done)
    alt = "Points and fitted lines: test MSE of dense models against the number of training windows, by width."
    with kit.canvas(1.3 + 2.7 * len(keys), alt) as figure:
        grid = figure.subplots(len(keys), len(names), squeeze=False)
        for (model, pred_len), row in zip(keys, grid, strict=True):
            for name, axes in zip(names, row, strict=True):
                group = of_case(done[done["dataset"] == name], model, pred_len)
                axes.set_title(f"{case_title(done, model, pred_len)}: {name}" if len(names) > 1 else model)
                _laws(axes, group, looks)
            row[0].set_ylabel("Test MSE, scaled data (log scale)")
        for axes in grid[-1]:
            axes.set_xlabel("Training windows (log scale), and their share")
        kit.legend(figure, [kit.handle(f"d_model {width}", *look) for width, look in looks.items()])
        band = f"band: where it lies, {percent(LEVEL)}."
        kit.note(figure, f"Point: a seed. Line: the power law fitted to the points; {band}")
    return figure


def _laws(axes: Axes, group: pd.DataFrame, looks: dict[int, tuple]) -> None:
    """A :func:`_law` per width, and the axes of all of them."""
    if group.empty:
        axes.text(0.5, 0.5, "no result", transform=axes.transAxes, ha="center")
        return
    for width, own in group.groupby("width"):
        _law(axes, own, *looks[width])
    _windows_axis(axes, group)
    log_axis(axes.yaxis, 0.93 * group["mse"].min(), 1.07 * group["mse"].max(), text="{:.3g}".format)
    axes.grid(axis="y", zorder=0)


def _law(axes: Axes, own: pd.DataFrame, colour: str, marker: str) -> None:
    look = {"color": colour, "marker": marker, "linestyle": "none", "markersize": 5, "zorder": 3}
    axes.plot(own["windows_train"], own["mse"], markeredgecolor="white", **look)
    if law := fitted(own):
        at = np.geomspace(own["windows_train"].min(), own["windows_train"].max(), 60)
        line, low, high = law.band(at)
        axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(at, line, color=colour, linewidth=2)


def countries(countries: pd.DataFrame) -> Figure:
    """Mean absolute error as percent of the mean load: a dot per column and forecaster, the hardest column on top."""
    need_countries(countries)
    kinds = [kind for kind in ("naive", "week", "dense", "fine-tuned") if kind in set(countries["kind"])]
    horizons = sorted(countries["pred_len"].unique())
    names = countries.drop_duplicates("column").nlargest(_MOST, "load")["column"]
    shown = countries[countries["column"].isin(names)]
    signs = {"naive": (INK, "d"), "week": ("#8a8a8a", "X")} | dict(
        zip(("dense", "fine-tuned"), kit.looks("ab").values(), strict=True)
    )
    alt = "Dots: mean absolute error as percent of the load, per column and forecaster."
    with kit.canvas(1.3 + 0.25 * len(names), alt) as figure:
        grid = figure.subplots(1, len(horizons), squeeze=False, sharex=True)[0]
        for pred_len, axes in zip(horizons, grid, strict=True):
            own = shown[shown["pred_len"] == pred_len]
            order = own[own["kind"] == kinds[0]].sort_values("percent", ascending=False)["column"].tolist()
            for row in own[own["column"].isin(order)].to_dict("records"):
                ends = row["percent_low"], row["percent"], row["percent_high"]
                kit.dot(axes, order.index(row["column"]), ends, *signs[row["kind"]])
            kit.lines_named(axes, order)
            axes.tick_params(axis="y", length=0)
            axes.set_xlim(left=0)
            axes.grid(axis="both", zorder=0)
            axes.set_xlabel("Mean absolute error, % of mean load")
            title = f"Horizon {pred_len}" if len(horizons) > 1 else None
            axes.set_title(title)
            named = own.groupby("kind")["forecaster"].first()
            handles = [kit.handle(named[kind], *signs[kind], linestyle="none") for kind in kinds if kind in named]
            place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0 if title is None else 1.06), "borderpad": 0}
            axes.legend(handles=handles, ncols=2 if len(handles) > 3 else 3, **place)
    return figure


def week(week: pd.DataFrame, unit: str | None) -> Figure:
    """Truth, forecast and seasonal naive forecast over a week of the test split: a panel per column, dates below."""
    need(week, "week", ["column", "date", "truth", "forecast", "naive", "forecaster"])
    columns = list(week.groupby("column", sort=False))
    lines = {
        "truth": ("truth", {"color": INK, "linewidth": 2.2}),
        "forecast": (week["forecaster"].iloc[0], {"color": COLOURS[0], "linewidth": 1.8}),
        "naive": ("seasonal naive", {"color": COLOURS[1], "linewidth": 1.3, "linestyle": (0, (4, 1.5))}),
    }
    alt = "Line charts of a week: truth, forecast and seasonal naive forecast."
    with kit.canvas(0.9 + 1.95 * len(columns), alt) as figure:
        grid = figure.subplots(len(columns), 1, squeeze=False, sharex=True)[:, 0]
        for (column, rows), axes in zip(columns, grid, strict=True):
            drawn = [
                axes.plot(rows["date"], rows[name], label=label, **look)[0] for name, (label, look) in lines.items()
            ]
            axes.set_title(str(column))
            axes.set_ylabel(unit or UNKNOWN_UNIT)
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
            axes.grid(zorder=0)
            axes.margins(x=0)
        locator = AutoDateLocator(maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        kit.legend(figure, drawn)
    return figure
