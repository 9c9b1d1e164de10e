"""The axes that figures share, with one rule for their ticks: labels do not touch."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, Locator, MaxNLocator, NullFormatter, NullLocator

from tsprune.report.style import INK, TICK_SIZE
from tsprune.report.text import density_labels

REFERENCE = {"color": INK, "linewidth": 1.2, "zorder": 1}
"""How a line is drawn that others are read against: dense, zero."""


class Apart(Locator):
    """Of ``ticks``, the most welcome first, each that is in view and whose label ``text`` leaves those before it room.

    Room is measured on the axis as it is drawn, so that it holds for every scale and every size of a panel.
    """

    def __init__(self, ticks: Iterable[float], text: Callable[[float], str]):
        self.ticks, self.text = list(ticks), text

    def __call__(self) -> list[float]:
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """The ticks between ``vmin`` and ``vmax`` that are labelled, in the order they were given."""
        low, high = sorted((vmin, vmax))
        shown = [tick for tick in self.ticks if low <= tick <= high]
        start, end, *ways = self.axis.get_transform().transform(np.array([low, high, *shown], dtype=float))
        box, across = self.axis.axes.bbox, self.axis.axis_name == "x"
        digit = 0.64 * self.axis.get_tick_params().get("labelsize", TICK_SIZE)  # points wide, in DejaVu Sans
        length = (box.width if across else box.height) / self.axis.axes.figure.dpi * 72 / digit
        kept: dict[float, tuple[float, float]] = {}
        for tick, way in zip(shown, ways, strict=True):
            place = length * (way - start) / (end - start)
            size = max(map(_digits, self.text(tick).split("\n"))) if across else 2.0  # a line is two digits high
            if all(abs(place - other) > (size + its) / 2 + 0.8 for other, its in kept.values()):
                kept[tick] = place, size
        return [*kept]


def _digits(text: str) -> float:
    """Width of ``text`` in digits: points and commas are half as wide."""
    return len(text) - (text.count(".") + text.count(",")) / 2


def round_numbers(low: float, high: float) -> list[float]:
    """Numbers to label a log axis with, the roundest first; within a factor of two, evenly spaced ones."""
    if high < 2 * low:
        return [tick for count in (4, 10) for tick in MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(low, high)]
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    return [float(f"{digits}e{decade}") for digits in (1, 2, 5, 3, 1.5, 7, 1.2, 2.5, 4, 1.8) for decade in decades]


def log_axis(
    axis: Axis,
    start: float,
    end: float,
    ticks: Sequence[float] | None = None,
    text: Callable[[float], str] = "{:g}".format,
) -> None:
    """Log scale from ``start`` to ``end``, whichever is the larger.

    Labelled with ``text`` are, as far as there is room, ``ticks``, the first the most welcome, or else round numbers.
    """
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (start, end)})
    axis.set_major_locator(Apart(round_numbers(*sorted((start, end))) if ticks is None else ticks, text))
    axis.set_major_formatter(lambda value, _: text(value))
    axis.set_minor_locator(NullLocator())


def density_axis(axes: Axes, densities: Iterable[float]) -> None:
    """Log axis from dense on the left to sparse on the right, a tick at every density asked."""
    texts = density_labels(densities)
    densest, sparsest = max(texts), min(texts)
    # Around a single density there is room for points beside it.
    room = max(densest / sparsest, 2) ** 0.04 if densest > sparsest else 2**0.5
    log_axis(axes.xaxis, densest * room, sparsest / room, [*texts], texts.__getitem__)
    axes.xaxis.set_minor_locator(FixedLocator([*texts]))
    axes.xaxis.set_minor_formatter(NullFormatter())


def relative_axis(axes: Axes, bottom: float, top: float) -> None:
    """Log axis of errors relative to dense: a line and a label at 1 above all."""
    log_axis(axes.yaxis, bottom, top, [1.0, *round_numbers(bottom, top)])
    axes.axhline(1, gid="dense", **REFERENCE)
    axes.grid(axis="y", zorder=0)


def difference_axis(axes: Axes, what: str) -> None:
    """Axis of the differences in percent drawn so far: linear up to 10 %, logarithmic beyond, a line at zero."""
    axes.set_xscale("symlog", linthresh=10)
    low, high = min(axes.get_xlim()[0], -1), max(axes.get_xlim()[1], 1)
    axes.set_xlim(low, high)
    beyond = max(-low, high) > 10
    axes.set_xlabel(f"{what}, %{' (log scale beyond 10)' if beyond else ''}")
    sizes = (sign * 10.0**n for by in (1, 3, 0.5) for n in range(1, 9) for sign in (by, -by))
    ticks = [0.0, *(sizes if beyond else MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(low, high))]
    axes.xaxis.set_major_locator(Apart(ticks, _signed))
    axes.xaxis.set_major_formatter(lambda value, _: _signed(value))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(0, **REFERENCE)
    axes.grid(axis="x", zorder=0)


def _signed(percent: float) -> str:
    return f"{percent:+,g}".replace("-", "−") if percent else "0"
