"""What all figures are made of: canvas, panels, lines and dots with their spread, heat maps, legend and note."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import fill

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from tsprune.report.axes import Apart
from tsprune.report.style import COLOURS, INK, MARKERS, RC, WIDTH

WITHIN = {"color": "#000000", "alpha": 0.07, "linewidth": 0, "zorder": 0}
"""How the band of what counts as kept is shaded."""

DOTTED = (0, (1, 1.6))


@contextmanager
def canvas(height: float, label: str) -> Iterator[Figure]:
    """A figure of ``height`` inches in the common look, with ``label`` as its alternative text.

    Drawn without pyplot, so that a notebook shows it exactly once.
    """
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        figure.set_label(label)
        yield figure


def panels(figure: Figure, count: int, across: int, xlabel: str, ylabel: str, **share: bool | str) -> list[Axes]:
    """``count`` panels, at most ``across`` side by side, labelled at the left and under the lowest of each column."""
    columns = min(across, count)
    grid = list(figure.subplots(-(-count // columns), columns, squeeze=False, **share).flat)
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[:count:columns]:
        axes.set_ylabel(ylabel)
    for axes in grid[max(count - columns, 0) : count]:
        axes.set_xlabel(xlabel)
        axes.tick_params(labelbottom=True)
    return grid[:count]


def looks(names: Iterable) -> dict:
    """A colour and a marker per name, no two alike among the first ten."""
    return {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}


def points(rows: pd.DataFrame, x: str, y: str, by: str | Sequence[str]) -> pd.DataFrame:
    """Per value of ``by``: ``at``, the mean ``x``, and ``mean``, ``low`` and ``high`` of ``y``; sorted by ``at``."""
    means = rows.groupby(by).agg(at=(x, "mean"), mean=(y, "mean"), low=(y, "min"), high=(y, "max"))
    return means.sort_values("at")


def band_line(axes: Axes, rows: pd.DataFrame, x: str, y: str, by: str | None = None, **look) -> pd.DataFrame:
    """Mean of ``y`` over the seeds against mean ``x``, in a band from lowest to highest seed: the :func:`points` drawn.

    There is a point per value of ``by``, of ``x`` itself unless it is named. A lone point, which a band has no width
    for, stands on a bar.
    """
    drawn = points(rows, x, y, by or x)
    if len(drawn) == 1 and (drawn["high"] > drawn["low"]).any():
        axes.vlines(drawn["at"], drawn["low"], drawn["high"], color=look["color"], alpha=0.5, linewidth=2)
    elif (drawn["high"] > drawn["low"]).any():
        axes.fill_between(drawn["at"], drawn["low"], drawn["high"], color=look["color"], alpha=0.18, linewidth=0)
    axes.plot(drawn["at"], drawn["mean"], **{"markeredgecolor": "white", "linewidth": 2, "zorder": 3} | look)
    return drawn


def mark_above(axes: Axes, drawn: pd.DataFrame, top: float, colour: str) -> None:
    """An open triangle at the upper edge for each of the :func:`points` above ``top``."""
    above = drawn.loc[drawn["mean"] > top, "at"]
    if len(above):
        look = {"markersize": 8, "markerfacecolor": "white", "markeredgewidth": 1.6, "clip_on": False, "zorder": 5}
        place = {"linestyle": "none", "transform": axes.get_xaxis_transform()}
        axes.plot(above, np.full(len(above), 0.97), marker="^", color=colour, **look, **place)


def dot(axes: Axes, place: float, ends: tuple, colour: str, marker: str = "o", *, filled: bool = True) -> None:
    """A dot in line ``place`` on a bar, ``ends`` being its low end, the dot and its high end; hollow: no claim."""
    low, middle, high = ends
    axes.hlines(place, low, high, color=colour, linewidth=2, zorder=2)
    face = colour if filled else "white"
    axes.plot(middle, place, marker=marker, color=colour, markerfacecolor=face, markersize=6, zorder=3)


def difference_dot(axes: Axes, place: float, row: Mapping, colour: str, marker: str = "o") -> None:
    """A :func:`dot` of a relative difference and its interval, in percent: filled where it is ``clear`` of zero."""
    ends = 100 * row["low"], 100 * row["relative"], 100 * row["high"]
    dot(axes, place, ends, colour, marker, filled=row["clear"])


def lines_named(axes: Axes, names: Sequence[str]) -> None:
    """The lines of :func:`dot` by name, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)


def heat_map(
    axes: Axes,
    table: pd.DataFrame,
    text: Callable[[float], str] | None,
    *,
    cmap: str = "cividis_r",
    ends: tuple[float, float] | None = None,
    size: float = 9,
    framed: Iterable[tuple] = (),
) -> AxesImage:
    """``table`` as colours, rows and columns named as in it, with ``text`` of each number, "none" where there is none.

    ``ends`` are the numbers with the first and the last colour, else the least and the largest. ``framed`` are the
    (row, column) of cells with a frame. Without ``text`` the colours stand alone.
    """
    values = table.to_numpy(dtype=float)
    low, high = ends or (None, None)
    image = axes.imshow(values, aspect="auto", cmap=cmap, vmin=low, vmax=high)
    axes.xaxis.set_major_locator(Apart(range(table.shape[1]), lambda x: str(table.columns[int(x)])))
    axes.xaxis.set_major_formatter(lambda x, _: str(table.columns[int(x)]))
    axes.set_yticks(range(table.shape[0]), table.index)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (y, x), value in np.ndenumerate(values) if text else ():
        known = np.isfinite(value)
        bright = not known or np.dot(image.to_rgba(value)[:3], (0.3, 0.59, 0.11)) > 0.45
        words = {"ha": "center", "va": "center", "fontsize": size, "color": "#111111" if bright else "#f5f5f5"}
        cell = axes.text(x, y, text(value) if known else "none", **words)
        cell.set_in_layout(False)  # there may be hundreds, all within the panel
    for row, column in framed:
        corner = table.columns.get_loc(column) - 0.47, table.index.get_loc(row) - 0.47
        axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=COLOURS[3], linewidth=3))
    return image


def handle(label: str, colour: str = INK, marker: str | None = None, **look) -> Line2D:
    """An entry of a legend: a line with markers, or the thin line that others are read against."""
    edge = colour if look.get("linestyle") == "none" else "white"
    usual = {"linewidth": 1.2 if marker is None else 2, "markersize": 7, "markeredgecolor": edge}
    return Line2D([], [], color=colour, marker=marker, label=label, **usual | look)


def handles(looks: Mapping[str, tuple[str, str]], **look) -> list[Line2D]:
    """A :func:`handle` per name, with the colour and the marker that :func:`looks` gives it."""
    return [handle(name, *own, **look) for name, own in looks.items()]


def legend(figure: Figure, entries: Sequence[Artist], side: str = "left", width: float = WIDTH) -> None:
    """What colours and markers mean, above the panels, in as few lines as ``width`` inches allow."""
    size = RC["legend.fontsize"]
    # In points: the sign, the gaps after it and to the next column are 2, 0.5 and 1.3 letters wide, the margins 2.
    sizes = [3.8 * size + TextPath((0, 0), entry.get_label(), size=size).get_extents().x1 for entry in entries]

    def fits(columns: int) -> bool:
        return columns == 1 or sum(max(part) for part in np.array_split(sizes, columns)) <= 72 * width - 2 * size

    columns = next(n for n in range(len(entries), 0, -1) if fits(n))
    figure.legend(handles=entries, loc=f"outside upper {side}", ncols=columns, columnspacing=1.3, handletextpad=0.5)


def note(figure: Figure, *sentences: str) -> None:
    """Small print below the panels, in lines that do not reach beyond them."""
    figure.supxlabel(fill(" ".join(filter(None, sentences)), 125), fontsize=9, color="#555555", x=0.01, ha="left")


def spread_note(rows: pd.DataFrame, mean: str = "Line", spread: str = "band") -> str:
    """What ``mean`` and ``spread`` of a figure are, for its :func:`note`. Where models, or their densities, have unlike
    numbers of seeds, both ends of that."""
    by = [rows[name] for name in ("model", "density_asked") if name in rows] or [pd.Series(0, rows.index)]
    seeds = rows["seed"].groupby(by, dropna=False).nunique()  # PALS is asked for no density
    if seeds.max() < 2:
        return "One seed: no spread."
    count = f"{seeds.max()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    return f"{mean}: mean of {count} seeds; {spread}: lowest to highest seed."
