"""Figure of study 07: how the cases of each claim came out."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tsprune.report import drawing as kit
from tsprune.report.frames import need
from tsprune.report.style import COLOURS
from tsprune.study.claims.result import AGAINST, CLAIM_COLUMNS, FOR, SIZES, UNCLEAR

_LOOKS = {FOR: (COLOURS[0], ""), UNCLEAR: ("#bbbbbb", ""), AGAINST: (COLOURS[1], "//")}
_LONGEST = 46


def outcomes(claims: pd.DataFrame) -> Figure:
    """A bar per claim, a panel per size: the share of its cases that speak for it, against it, or do neither; their
    number beside it. No bar where there is no case. Raises UserError for a missing column."""
    need(claims, "claims", CLAIM_COLUMNS)
    names = claims.drop_duplicates("claim")["says"].map(_broken).to_list()
    with kit.canvas(1.5 + 0.42 * len(names), "Bar charts of the cases for and against each claim, by size.") as figure:
        panels = kit.panels(figure, len(SIZES), len(SIZES), "Share of cases, %", "", sharey=True)
        for axes, size in zip(panels, SIZES, strict=True):
            own, left = claims[claims["size"] == size], 0
            total = own["cases"].clip(lower=1).to_numpy()
            for outcome, (colour, hatch) in _LOOKS.items():
                share = 100 * own[outcome].to_numpy() / total
                axes.barh(range(len(own)), share, left=left, color=colour, hatch=hatch, edgecolor="white", height=0.7)
                left = left + share
            for place, count in enumerate(own["cases"]):
                axes.text(102, place, f"{count}" if count else "none", va="center", fontsize="small")
            axes.set_xlim(0, 118)
            axes.set_xticks(range(0, 101, 25))
            axes.set_title(size)
            kit.lines_named(axes, names)
        handles = [
            Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=name)
            for name, (colour, hatch) in _LOOKS.items()
        ]
        kit.legend(figure, handles)
        kit.note(figure, "Numbers: cases (a model on a dataset at a horizon, with enough seeds).")
    return figure


def _broken(text: str) -> str:
    """In two lines where it is long, at the space nearest the middle."""
    if len(text) <= _LONGEST:
        return text
    spaces = [place for place, sign in enumerate(text) if sign == " "]
    middle = min(spaces, key=lambda place: abs(place - len(text) / 2))
    return f"{text[:middle]}\n{text[middle + 1 :]}"
