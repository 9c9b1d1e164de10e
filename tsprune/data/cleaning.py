"""Cleaning rules as data: what counts as a bad value, how gaps are filled, and how much of each was done."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsprune.shown import quoted


@dataclass(frozen=True)
class Sentinel:
    """Every value equal to ``value`` stands for "no reading"."""

    value: float

    def bad(self, frame: pd.DataFrame, step: pd.Timedelta) -> np.ndarray:
        """Where the rule finds a bad value: bool, shape (rows, columns)."""
        return frame.to_numpy() == self.value

    @property
    def what(self) -> str:
        """What the rule finds, in words."""
        return f"readings of {self.value:g}"


@dataclass(frozen=True)
class SuddenLevels:
    """Rows on a wrong level, entered and left by a sudden step: drop-outs, doubled hours, days on another scale.

    For positive values, a whole number of rows a day. Let r be the value divided by the median of the values at the
    same time ``days`` before and after (2 x len(days) neighbours, missing ones left out). A run of rows with
    r < ``low`` or r > ``high`` is bad if r changes by a factor of at least ``step`` both where the run begins and where
    it ends (at one side only, where the row beside it is missing). Holidays and cold spells also leave the band, but
    they come and go over several hours.
    """

    low: float
    high: float
    step: float
    days: tuple[int, ...]

    def bad(self, frame: pd.DataFrame, step: pd.Timedelta) -> np.ndarray:
        """Where the rule finds a bad value: bool, shape (rows, columns)."""
        day = pd.Timedelta("1D") // step
        found = np.zeros(frame.shape, dtype=bool)
        reach = day * max(self.days)
        for column, values in enumerate(frame.to_numpy().T):
            padded = np.pad(values, reach, constant_values=np.nan)
            places = [reach + sign * day * days for days in self.days for sign in (-1, 1)]
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = values / _medians(np.stack([padded[place : place + len(values)] for place in places]))
            edge = np.full(len(ratio) + 1, np.nan)  # edge[i]: log of the factor by which r changes from row i - 1 to i
            edge[1:-1] = np.abs(np.log(ratio[1:]) - np.log(ratio[:-1]))
            for begin, end in runs((ratio < self.low) | (ratio > self.high)):
                steps = edge[[begin, end]]
                if not np.isnan(steps).all() and np.nanmin(steps) >= np.log(self.step):
                    found[begin:end, column] = True
        return found

    @property
    def what(self) -> str:
        """What the rule finds, in words."""
        return "readings on a wrong level"


def _medians(values: np.ndarray) -> np.ndarray:
    """Of each column of ``values``, missing ones left out: as pandas has them, in a quarter of its time."""
    ordered, columns = np.sort(values, axis=0), np.arange(values.shape[1])  # what is missing comes last
    count = np.count_nonzero(~np.isnan(values), axis=0)
    return (ordered[(count - 1) // 2, columns] + ordered[count // 2, columns]) / 2


Rule = Sentinel | SuddenLevels


class Cleaned(NamedTuple):
    """A frame without missing values, which of it (bool) no window may touch, and what was done. ``blocked``: rows, or
    where columns are series of their own rows and columns. ``filled`` (rows, columns): values that were made up; None
    where there are none."""

    frame: pd.DataFrame
    blocked: np.ndarray
    notes: tuple[str, ...]
    counts: dict[str, int]
    filled: np.ndarray | None = None


def longest_interpolated(step: pd.Timedelta) -> int:
    """The longest gap that is only interpolated, in rows: six hours where a step is an hour or less, else six steps."""
    return int(pd.Timedelta("6h") / min(step, pd.Timedelta("1h")))


def clean(frame: pd.DataFrame, rules: tuple[Rule, ...], step: pd.Timedelta, pooled: bool = False) -> Cleaned:
    """Apply ``rules`` in order, then fill every gap; count it all and say it in words.

    A bad value becomes a missing one. Gaps are filled linearly along time, row by row; at the beginning and the end of
    the table the nearest value is repeated. Where a gap is longer than ``longest_interpolated(step)`` its rows are
    blocked: they hold numbers, but no window may touch them; where data are ``pooled``, none of that column. A column
    without any value cannot be filled.
    """
    notes: list[str] = []
    counts: dict[str, int] = {}
    values = frame.astype(np.float64)
    _record("missing values", values.isna().to_numpy(), values.columns, notes, counts)
    for rule in rules:
        bad = rule.bad(values, step)
        _record(rule.what, bad, values.columns, notes, counts)
        values = values.mask(bad)

    missing = values.isna().to_numpy()
    long = np.zeros_like(missing)
    if not missing.any():
        return Cleaned(values, long if pooled else long.any(axis=1), tuple(notes), counts)
    longest = longest_interpolated(step)
    for column in range(missing.shape[1]):
        for begin, end in runs(missing[:, column]):
            long[begin:end, column] = end - begin > longest
    blocked = long.any(axis=1)
    counts["filled"], counts["blocked rows"] = int(missing.sum()), int(blocked.sum())
    notes.append(f"{counts['filled']} of {missing.size} values are filled in by linear interpolation along time")
    if blocked.any():
        limit = "six hours" if step <= pd.Timedelta("1h") else "six steps"
        rows = _named(long, values.columns)
        notes.append(f"{blocked.sum()} rows lie in gaps of more than {limit}, no window touches them: {rows}")
    filled = values.interpolate(method="linear", limit_direction="both")
    return Cleaned(filled, long if pooled else blocked, tuple(notes), counts, missing)


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """(begin, end) of each run of True in a one-dimensional bool array, ``end`` exclusive."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def _record(what: str, where: np.ndarray, columns: pd.Index, notes: list[str], counts: dict[str, int]) -> None:
    if where.any():
        counts[what] = int(where.sum())
        notes.append(f"{counts[what]} {what}: {_named(where, columns)}")


def _named(where: np.ndarray, columns: pd.Index) -> str:
    per_column = zip(where.sum(axis=0), columns, strict=True)
    return ", ".join(f"{count} in {quoted(column)}" for count, column in per_column if count)
