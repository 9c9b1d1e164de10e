"""Cleaning rules as data: what counts as a bad value, how gaps are filled, and how much of each was done."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Sentinel:
    """Every value equal to ``value`` means "missing"."""

    value: float

    def bad(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Boolean frame: where the rule finds a bad value."""
        return frame == self.value

    def words(self) -> str:
        return f"sentinels {self.value:g}"


Rule = Sentinel


@dataclass(frozen=True)
class Cleaned:
    """A table after cleaning: no value is missing; ``blocked`` (rows,) says which rows no window may touch."""

    frame: pd.DataFrame
    blocked: np.ndarray
    notes: tuple[str, ...]
    counts: dict[str, int]


def clean(frame: pd.DataFrame, rules: tuple[Rule, ...], longest: int) -> Cleaned:
    """Apply ``rules`` in order, then fill every gap along time; count and say what was done.

    A bad value becomes a missing one. Gaps of at most ``longest`` rows are interpolated linearly between their
    neighbours (a gap at an end repeats the nearest value). Longer ones are filled in the same way, so that no value is
    missing, and their rows are blocked: no window may touch them.
    """
    counts, notes = {}, []
    values = frame.copy()
    absent = values.isna()
    if absent.to_numpy().any():
        _record("missing values", absent, counts, notes)
    for rule in rules:
        bad = rule.bad(values)
        if bad.to_numpy().any():
            _record(rule.words(), bad, counts, notes)
        values = values.mask(bad)
    missing = values.isna().to_numpy()
    long = _long_gaps(missing, longest)
    blocked = long.any(axis=1)
    filled = values.interpolate(method="linear", limit_direction="both")
    if missing.any():
        counts["interpolated"], counts["blocked rows"] = int(missing.sum()), int(blocked.sum())
        notes.append(f"{int(missing.sum())} values filled by linear interpolation along time")
    if blocked.any():
        notes.append(f"{int(blocked.sum())} rows lie in gaps of more than {longest} steps: no window touches them")
    return Cleaned(filled, blocked, tuple(notes), counts)


def _record(what: str, where: pd.DataFrame, counts: dict[str, int], notes: list[str]) -> None:
    per_column = where.sum()
    per_column = per_column[per_column > 0]
    counts[what] = int(per_column.sum())
    named = ", ".join(f"{count} in '{column}'" for column, count in per_column.items())
    notes.append(f"{counts[what]} {what}: {named}")


def _long_gaps(missing: np.ndarray, longest: int) -> np.ndarray:
    """Boolean (rows, columns): the cells of runs of more than ``longest`` missing values."""
    columns = missing.shape[1]
    long = np.zeros_like(missing)
    for column in range(columns):
        edges = np.diff(np.concatenate([[0], missing[:, column].astype(np.int8), [0]]))
        for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            if end - begin > longest:
                long[begin:end, column] = True
    return long
