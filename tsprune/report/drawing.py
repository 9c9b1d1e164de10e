"""What all figures draw alike: size, colours, the density axis, the axis of errors relative to dense."""

import math
from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from tsprune.report.text import density_labels

WIDTH = 9.6
"""Width of every figure in inches: 960 pixels on a screen."""

MARKERS = "osD^vPX<>p"

INK = "#333333"

# The colour-blind palette of seaborn, the two weakest tones (yellow, light pink) last.
COLOURS = [sns.color_palette("colorblind")[i] for i in (0, 1, 2, 3, 4, 9, 5, 7, 6, 8)]

RC = {
    "axes.edgecolor": "#9a9a9a",
    "axes.labelcolor": INK,
    "axes.labelsize": 10.5,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "figure.constrained_layout.wspace": 0.05,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "font.size": 10.5,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "legend.fontsize": 10,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
}


def density_axis(axes: Axes, densities: np.ndarray) -> None:
    """Log axis from dense on the left to sparse on the right, ticks at the densities asked."""
    texts = density_labels(densities)
    ticks = np.array(list(texts))
    axes.set_xscale("log", base=2)
    span = math.log2(ticks[0] / ticks[-1])
    room = 0.04 * max(span, 1) if span else 0.5  # around a single density there is room for points beside it
    axes.set_xlim(ticks[0] * 2**room, ticks[-1] * 2**-room)
    span = span or 1
    axes.xaxis.set_major_locator(FixedLocator(_spaced(ticks, span)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: texts[value]))
    axes.xaxis.set_minor_locator(FixedLocator(ticks))


def _spaced(ticks: np.ndarray, span: float) -> list[float]:
    """The ticks whose labels do not touch; a label needs about a thirteenth of the panel."""
    shown = [ticks[0]]
    for tick in ticks[1:]:
        if math.log2(shown[-1] / tick) / span > 1 / 13:
            shown.append(tick)
    return shown


def relative_axis(axes: Axes, bottom: float, top: float) -> None:
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    steps = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 4, 5, 6, 8]
    span = math.log(top / bottom)
    shown = [1.0]
    for step in steps:
        if bottom <= step <= top and min(abs(math.log(step / s)) for s in shown) > span / 11:
            shown.append(step)
    axes.yaxis.set_major_locator(FixedLocator(shown))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="y", zorder=0)


def case_title(frame: pd.DataFrame, model: str, pred_len: int) -> str:
    """What a panel of one model and horizon is called: the horizon is named where ``frame`` has several."""
    return model if frame["pred_len"].nunique() == 1 else f"{model} · horizon {pred_len}"


def band_line(axes: Axes, rows: pd.DataFrame, x: str, y: str, **look) -> None:
    """Mean of ``y`` over the seeds against ``x``, in a band from lowest to highest seed."""
    points = rows.groupby(x)[y].agg(["mean", "min", "max"])
    axes.fill_between(points.index, points["min"], points["max"], color=look["color"], alpha=0.18, linewidth=0)
    axes.plot(points.index, points["mean"], **{"markeredgecolor": "white", "linewidth": 2, "zorder": 3} | look)


def handle(label: str, colour: tuple, marker: str, **look) -> Line2D:
    """A line with markers for a legend."""
    return Line2D([], [], color=colour, marker=marker, linewidth=2, markeredgecolor="white", label=label, **look)


def note(figure: Figure, *sentences: str) -> None:
    """Small print below the panels, in lines that do not reach beyond them."""
    figure.supxlabel(fill(" ".join(sentences), 125), fontsize=9, color="#555555", x=0.01, ha="left")


def spread_note(rows: pd.DataFrame, mean: str = "Line", spread: str = "band") -> str:
    """What ``mean`` and ``spread`` of a figure are, for its :func:`note`."""
    seeds = rows["seed"].nunique()
    return f"{mean}: mean of {seeds} seeds; {spread}: lowest to highest seed." if seeds > 1 else "One seed: no spread."
