"""What study 06 says only on a GPU: narrower models first, then two of four weights."""

import pandas as pd

from tsprune.report.cases import CASE
from tsprune.report.text import bold, percent
from tsprune.study.inference.phrases import spread, windows
from tsprune.study.inference.result import DENSE, EAGER, GRAPH, GRAPH_BFLOAT16, GRAPH_TWO_OF_FOUR, kept, machine

_NAMED = 2
"""Forecasters that are named; the tables name all."""

_AS = {EAGER: "in eager PyTorch", GRAPH: "with both as CUDA graphs"}


def answer(speeds: pd.DataFrame, batch: float) -> str:
    """The first sentence: the narrowest models at a number of windows."""
    where = f"On a GPU ({machine(speeds)}, {windows(batch)} at once)"
    rows = _narrowest(speeds, batch)
    if rows.empty:
        return f"{where}, nothing can be said about narrower models."
    told = {name: spread(rows.loc[rows["runtime"] == name, "gain"]) for name in _AS if name in set(rows["runtime"])}
    parts = [f"{gain} times {_AS[name]}" for name, gain in told.items()]
    parts[0] = parts[0].replace(" times", " times as fast as dense", 1)
    verb, whose = ("forecasts", "its") if rows["model"].nunique() == 1 else ("forecast", "their")
    widths = f"{percent(rows['share'].iloc[0])} of {whose} widths"
    names = bold(rows["model"]) if rows["model"].nunique() <= _NAMED else f"{rows['model'].nunique()} forecasters"
    return f"{where}, {names} cut to {widths} {verb} {', '.join(parts)}."


def fewer(speeds: pd.DataFrame, batch: float) -> str:
    """What else they are the less by."""
    rows = _narrowest(speeds, batch)
    if rows.empty:
        return ""
    return f"Narrowed so, a forecast takes {spread(1 / rows['macs_share'])} times fewer multiply-adds than dense."


def _narrowest(speeds: pd.DataFrame, batch: float) -> pd.DataFrame:
    """The narrowest models at a number of windows, in the runtimes of the first sentence: those that have a time in all
    of these or, where none has, those of one runtime."""
    rows = kept(speeds)
    rows = rows[~rows["disturbed"] & (rows["batch"] == batch) & rows["runtime"].isin(_AS)]
    rows = rows[rows["share"] == rows["share"].min()]
    by = [set(own["model"]) for _, own in rows.groupby("runtime")]
    shared = set.intersection(*by) if by else set()
    return rows[rows["model"].isin(shared)] if shared else rows[rows["runtime"] == rows["runtime"].min()]


def two_of_four(fine: pd.DataFrame, batch: float) -> str:
    """Zeros that tensor cores can skip, beside the same graph with every weight."""
    rows = fine[fine["batch"] == batch].set_index(CASE)
    ours, dense = (rows[rows["runtime"] == name] for name in (GRAPH_TWO_OF_FOUR, GRAPH_BFLOAT16))
    gains = (ours["speedup"] / dense.loc[dense["form"] == DENSE, "speedup"]).dropna()
    if gains.empty:
        return ""
    return (
        f"With two of every four weights zero, packed for the tensor cores, forecasts are {spread(gains)} times as "
        f"fast as with all weights, both as CUDA graphs in bfloat16 at {windows(batch)}."
    )
