"""A forecast as a picture: what was known, what is forecast, and its intervals, a panel per column."""

import io
import os
import warnings
from pathlib import Path

import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from tsprune.deploy.card import Card
from tsprune.report import drawing as kit
from tsprune.report.style import COLOURS, INK
from tsprune.shown import plain
from tsprune.whole import write_whole

PICTURES = (".png", ".svg", ".pdf")

MOST_DRAWN = 12
"""Columns that have a panel: the first ones."""


def draw(known: pd.DataFrame, predicted: pd.DataFrame, card: Card, level: float | None) -> Figure:
    """The look-back ``known`` and the forecast ``predicted`` (as :meth:`Forecaster.predict` gives them), in the data's
    own units; with a ``level`` the interval between NAME_low and NAME_high as a band."""
    names = list(card.columns)[:MOST_DRAWN]
    across = 1 if len(names) == 1 else 2
    rows = -(-len(names) // across)
    look = COLOURS[1]
    with kit.canvas(1.0 + 1.9 * rows, f"Forecast of {len(names)} columns after the last known time step.") as figure:
        grid = kit.panels(figure, len(names), across, "", card.unit or "data's units", sharex=True)
        for name, axes in zip(names, grid, strict=True):
            last = known[name].iloc[-1:]
            axes.plot(known.index, known[name], color=INK, linewidth=1.3)
            joined = pd.concat([last, predicted[name]])
            axes.plot(joined.index, joined, color=look, linewidth=2)
            if level is not None:
                band = predicted[f"{name}_low"], predicted[f"{name}_high"]
                axes.fill_between(predicted.index, *band, color=look, alpha=0.2, linewidth=0)
            axes.set_title(plain(name))
            axes.grid(axis="y", zorder=0)
            # So many that every span has a step of the locator's: with fewer it warns and takes one too short.
            locator = AutoDateLocator(minticks=3, maxticks=8)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        kit.legend(figure, [kit.handle("known", INK), kit.handle("forecast", look, linewidth=2)])
        kit.note(figure, _held(card, level), _hidden(card, names))
    return figure


def _held(card: Card, level: float | None) -> str:
    if level is None:
        return ""
    return f"Band: {level:.0%} interval; {card.intervals.covered(level):.1%} of the test split's values lay within it."


def _hidden(card: Card, names: list[str]) -> str:
    return f"The first {len(names)} of {len(card.columns)} columns." if len(names) < len(card.columns) else ""


def write_plot(
    known: pd.DataFrame, predicted: pd.DataFrame, card: Card, level: float | None, path: str | os.PathLike
) -> str:
    """:func:`draw` into a file of one of PICTURES; returns the signs of names for which its font has only boxes.
    Raises :class:`UserError` where it cannot be written."""
    content = io.BytesIO()
    figure = draw(known, predicted, card, level)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # told by what is returned
        figure.savefig(content, format=Path(path).suffix[1:], dpi=150)
    write_whole(path, content.getvalue())
    font = get_font(findfont(FontProperties()))
    signs = dict.fromkeys("".join(axes.get_title("left") for axes in figure.axes))
    return "".join(sign for sign in signs if not font.get_char_index(ord(sign)))
