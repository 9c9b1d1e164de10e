"""What errors in the data's own units are compared with: the mean load, and the value a week before."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from tsprune.data import Windows
from tsprune.data.mapped import blocks


def mean_load(values: np.ndarray, windows: Windows, count: int | None = None) -> np.ndarray:
    """Mean absolute value by column (C,) over the horizons of the first ``count`` windows (None: of all).

    ``values`` (rows, C) in the data's units. A row counts as often as windows forecast it, exactly as in the mean
    absolute error over the same windows, so that the quotient of the two is a share of what was to be forecast.
    """
    found = []
    for part, first in _parts(values, windows, count):
        times = _covered(len(part), first, windows.pred_len)
        found.append(sum(times[rows] @ np.abs(part[rows]) for rows in blocks(part)) / times.sum())
    return np.concatenate(found)


class LastWeek(NamedTuple):
    """Errors by column (C,) of a forecast that has the values of the week before."""

    mae: np.ndarray  # in the data's units
    mse: np.ndarray  # in their square
    windows: np.ndarray  # how many they are the means of

    def scaled(self, std: np.ndarray) -> tuple[float, float]:
        """Mean squared and mean absolute error on scaled data, each window counted once."""
        return tuple(float(np.average(errors, weights=self.windows)) for errors in (self.mse / std**2, self.mae / std))


def last_week(values: np.ndarray, windows: Windows, steps: int, count: int | None = None) -> LastWeek | None:
    """Errors of a forecast that has the value of the same time a week before, ``steps`` rows earlier, or as many weeks
    as it takes to be known; over the first ``count`` windows (None: all), of ``values`` (rows, C). None where the rows
    do not reach back so far.

    It looks farther back than the models, whose look-back may be shorter than a week.
    """
    found = []
    for part, first in _parts(values, windows, count):
        total = np.zeros((2, part.shape[1]))
        for begin in range(0, windows.pred_len, steps):
            lag = begin + steps
            if first.min() + begin < lag:
                return None
            times = _covered(len(part), first + begin, min(steps, windows.pred_len - begin))[lag:]
            before = part[:-lag]
            for rows in blocks(before):
                error = np.abs(part[lag:][rows] - before[rows])
                total += times[rows] @ error, times[rows] @ error**2
        found.append([*(total / (len(first) * windows.pred_len)), np.full(part.shape[1], len(first))])
    return LastWeek(*(np.concatenate(kind) for kind in zip(*found, strict=True)))


def _parts(values: np.ndarray, windows: Windows, count: int | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Columns (rows, c) that are forecast together, all or of pooled data each, with the first row of the horizon of
    each of the first ``count`` windows."""
    first = windows.starts[:count].cpu().numpy()
    for series in range(windows.count):
        own = first[first // len(values) == series] if windows.count > 1 else first
        part = values[:, [series]] if windows.count > 1 else values
        yield part, own - series * len(values) + windows.seq_len


def _covered(rows: int, first: np.ndarray, length: int) -> np.ndarray:
    """How often each of so many rows is among the ``length`` from one of ``first`` on."""
    edges = np.zeros(rows + 1)
    np.add.at(edges, first, 1)
    np.add.at(edges, first + length, -1)
    return edges.cumsum()[:-1]


def steps_of_week(dates: pd.DatetimeIndex) -> int | None:
    """Rows from a time to the same one a week later; None where that is no whole number of more than one, or where
    time steps differ."""
    lengths = np.unique(np.diff(dates))
    steps, rest = divmod(pd.Timedelta(days=7), pd.Timedelta(lengths[0]))
    return steps if len(lengths) == 1 and not rest and steps > 1 else None


def typical_columns(load: np.ndarray) -> tuple[int, ...]:
    """Numbers of the columns with the largest, the median and the smallest mean load; all of three or fewer."""
    order = tuple(int(i) for i in np.argsort(-load, kind="stable"))
    return order if len(order) <= 3 else (order[0], order[len(order) // 2], order[-1])
