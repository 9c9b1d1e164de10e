"""The scale of each column, and columns whose scale the train rows do not tell: constant there, up to rounding, or out
of range of the arithmetic."""

from collections.abc import Callable, Sequence

import numpy as np

from tsprune.data.mapped import blocks
from tsprune.shown import quoted

# Windows are single precision, where squares of errors are summed: both ends of its range, with room for a square.
LARGEST, SMALLEST = 1e37, 1e-37
ROUNDING = 1e-7
"""Values that differ by less than this share of themselves are equal in single precision."""
ORDINARY = 4.0  # as far as scaled values usually go
FAR = 100.0  # standard deviations of the train rows; what lies farther away is named
SPIKE = 10.0  # standard deviations; a few values that make most of a standard deviation lie beyond as many of it
FEW = 0.01  # share of the train rows
TOO_FAR = 1e4  # one farther than this is refused, as are later rows that are FAR away on average (root mean square)


def scale_problems(values: np.ndarray, columns: Sequence[str], train: int) -> tuple[list[str], list[str]]:
    """What is wrong with the scale of each column, and what should be said of it.

    ``values`` (rows, columns) float64, NaN where missing; columns with infinite ones are passed over. The first
    ``train`` rows are those that mean and standard deviation are taken from. A column that is constant in all rows is
    scaled to 0, which is a note; one that is constant in the train rows alone, exactly or up to rounding, has no scale:
    divided by 1 or by the rounding, its later values decide every score, unless they stay within ORDINARY of it.
    """
    problems, notes = [], []
    for position in np.flatnonzero(~_plain(values, train)):
        name = columns[position]
        column = values[:, position]
        column = column[~np.isnan(column)]
        fitted = values[:train, position]
        fitted = fitted[~np.isnan(fitted)]
        if len(column) and len(fitted) and np.isfinite(column).all():
            later = values[train:, position]
            problem, note = _scale(column, fitted, later[~np.isnan(later)], train)
            what = f"column {quoted(name)}"
            problems += [f"{what} {problem}"] if problem else []
            notes += [f"{what} {note}"] if note else []
    return problems, notes


def scaling(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and population standard deviation (C,) of train rows ``values`` (rows, C), float64, as numpy has them to the
    last bit; a column that is constant has its value and 1. Any number of rows, a block of them at a time."""
    mean, std = _moments(values)
    constant = _over(values, np.max) == _over(values, np.min)
    mean[constant], std[constant] = values[0, constant], 1.0
    return mean, std


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = _over(values, np.sum) / len(values)
    squares = _over(values, np.sum, lambda part: np.square(part - mean))
    return mean, np.sqrt(squares / len(values))


def _over(values: np.ndarray, reduce: Callable, change: Callable = lambda part: part) -> np.ndarray:
    """``reduce`` (np.sum, np.min, np.max) by column (C,) of what ``change`` makes of all rows: what the blocks before
    came to is the first row of the next, so that sums are those of one pass."""
    found = None
    for rows in blocks(values):
        part = change(values[rows])
        found = reduce(part if found is None else np.concatenate([found[None], part]), axis=0)
    return found


def _plain(values: np.ndarray, train: int) -> np.ndarray:
    """Which columns (bool) have no missing value and an ordinary scale, all at once: most tables have no others."""
    if not (0 < train <= len(values)):
        return np.zeros(values.shape[1], dtype=bool)
    fitted = values[:train]
    with np.errstate(over="ignore", invalid="ignore"):
        low, high, begin, end = (_over(part, of) for part in (values, fitted) for of in (np.min, np.max))
        mean, deviation = _moments(fitted)
        moves = end - begin > ROUNDING * np.maximum(np.abs(begin), np.abs(end))
        within = np.maximum(high - mean, mean - low) <= SPIKE * deviation
        return moves & within & (np.maximum(np.abs(low), np.abs(high)) <= LARGEST) & (deviation >= SMALLEST)


def _scale(column: np.ndarray, fitted: np.ndarray, later: np.ndarray, train: int) -> tuple[str, str]:
    low, high = float(column.min()), float(column.max())
    if low == high:
        return "", f"is constant ({low:g}): it is scaled to 0"
    largest = max(abs(low), abs(high))
    if largest > LARGEST:
        return f"has values up to {largest:g}, whose variance overflows (at most {LARGEST:g}); choose a larger unit", ""
    begin, end = float(fitted.min()), float(fitted.max())
    swamped = "no scale can be learnt from that, and its errors would swamp those of all others in every score"
    rows = f"the train rows (the first {train:,})"
    if begin == end:
        changes = f"is constant ({begin:g}) in {rows} and goes from {low:g} to {high:g} in all: "
        if max(high - begin, begin - low) <= ORDINARY:
            return "", f"{changes}no scale can be learnt from that, so it counts in its own unit in the score"
        return f"{changes}{swamped}; leave it out, or begin where it changes", ""
    if end - begin <= ROUNDING * max(abs(begin), abs(end)):
        return (
            f"is constant up to rounding in {rows}, {begin!r} to {end!r}: {swamped}; leave it out, or subtract its "
            "level if the differences are real",
            "",
        )
    deviation = float(fitted.std())
    if deviation < SMALLEST:
        return (
            f"has a standard deviation of {deviation:g} in {rows}, whose square underflows; choose a smaller unit",
            "",
        )
    far = max(abs(low - fitted.mean()), abs(high - fitted.mean())) / deviation
    text = f"goes {far:,.0f} standard deviations of {rows} away from their mean"
    if far > TOO_FAR or (len(later) and np.sqrt(np.mean(np.square((later - fitted.mean()) / deviation))) > FAR):
        return f"{text}: {swamped}; leave it out, or correct its values", ""
    return "", f"{text}: such values dominate the score" if far > FAR else _spikes(fitted, deviation, rows)


def _spikes(fitted: np.ndarray, deviation: float, rows: str) -> str:
    """What is to be said where FEW of the values or less make the standard deviation more than FAR times as large."""
    apart = np.abs(fitted - np.median(fitted))
    others = fitted[np.argsort(apart, kind="stable")[: len(fitted) - max(1, int(FEW * len(fitted)))]]
    spread = float(others.std())
    if spread * FAR >= deviation:
        return ""
    few = apart > FAR * spread
    return (
        f"has a standard deviation of {deviation:.3g} in {rows}, and {spread:.3g} without {few.sum():,} of its values "
        f"(the first is {fitted[few][0]:g}): these scale all others to next to nothing; are they readings?"
    )
