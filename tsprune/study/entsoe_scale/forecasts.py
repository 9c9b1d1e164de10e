"""Forecasts in the data's own units: the mean load that an error is a share of, and a week beside the truth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import nn

from tsprune.data import Splits, Table, Windows
from tsprune.models import create_model

WEEK = pd.Timedelta(days=7)


def mean_load(values: np.ndarray, windows: Windows, count: int | None = None) -> np.ndarray:
    """Mean absolute value by column (C,) over the horizons of the first ``count`` windows (None: of all).

    ``values`` (rows, C) in the data's units. A row counts as often as windows forecast it, exactly as in the mean
    absolute error over the same windows, so that the quotient of the two is a share of what was to be forecast.
    """
    first = windows.starts[:count].cpu().numpy() + windows.seq_len
    edges = np.zeros(len(values) + 1)
    np.add.at(edges, first, 1)
    np.add.at(edges, first + windows.pred_len, -1)
    times = edges.cumsum()[:-1]
    return times @ np.abs(values) / times.sum()


def last_week_mae(values: np.ndarray, windows: Windows, steps: int, count: int | None = None) -> np.ndarray | None:
    """Mean absolute error by column (C,) of a forecast that has the value of the same time a week before, ``steps``
    rows earlier, or as many weeks as it takes to be known; over the first ``count`` windows (None: all), in the units
    of ``values`` (rows, C). None where the rows do not reach back so far.

    It looks farther back than the models, whose look-back may be shorter than a week.
    """
    first = windows.starts[:count].cpu().numpy() + windows.seq_len
    total = np.zeros(values.shape[1])
    for begin in range(0, windows.pred_len, steps):
        lag = begin + steps
        if first.min() + begin < lag:
            return None
        edges = np.zeros(len(values) + 1)
        np.add.at(edges, first + begin, 1)
        np.add.at(edges, first + min(lag, windows.pred_len), -1)
        total += edges.cumsum()[lag:-1] @ np.abs(values[lag:] - values[:-lag])
    return total / (len(first) * windows.pred_len)


def steps_of_week(dates: pd.DatetimeIndex) -> int | None:
    """Rows from a time to the same one a week later; None where that is no whole number of more than one, or where
    time steps differ."""
    lengths = np.unique(np.diff(dates))
    steps, rest = divmod(WEEK, pd.Timedelta(lengths[0]))
    return steps if len(lengths) == 1 and not rest and steps > 1 else None


def typical_columns(load: np.ndarray) -> list[int]:
    """Numbers of the columns with the largest, the median and the smallest mean load; all of three or fewer."""
    order = [int(i) for i in np.argsort(-load, kind="stable")]
    return order if len(order) <= 3 else [order[0], order[len(order) // 2], order[-1]]


def week_of_forecasts(model: nn.Module, table: Table, splits: Splits, columns: Sequence[int]) -> pd.DataFrame:
    """Seven days of the test split, forecast horizon after horizon, each from the true look-back before it.

    The week is the first that begins on a Monday at midnight and has all its windows, else the first seven days that
    do, else a single horizon. A row per column and time: ``column``, ``date``, ``truth``, ``forecast``, ``naive`` (the
    seasonal naive forecast of the same windows), in the data's units.
    """
    test = splits.test
    chosen, rows = _windows_of_a_week(table.dates, test)
    batch = test.batch(torch.as_tensor(chosen))
    lengths = {"seq_len": test.seq_len, "label_len": test.label_len, "pred_len": test.pred_len}
    width = len(table.columns)
    lengths |= {"enc_in": width, "dec_in": width, "c_out": width}
    naive = create_model("SeasonalNaive", **lengths, season=table.season).to(batch.y.device)
    model.eval()
    with torch.inference_mode():
        series = {
            "truth": batch.y,
            "forecast": model(*batch[:4]).float(),
            "naive": naive(*batch[:4]),
        }
    scaled = {name: values.double().flatten(0, 1)[:rows].cpu().numpy() for name, values in series.items()}
    own = {name: splits.inverse(values) for name, values in scaled.items()}
    first = int(test.starts[chosen[0]]) + test.seq_len
    return pd.concat(
        [
            pd.DataFrame(
                {"column": table.columns[i], "date": table.dates[first : first + rows]}
                | {name: values[:, i] for name, values in own.items()}
            )
            for i in columns
        ],
        ignore_index=True,
    )


def _windows_of_a_week(dates: pd.DatetimeIndex, test: Windows) -> tuple[list[int], int]:
    """Numbers of the test windows that follow each other without overlap, and how many rows of them are the week."""
    first = test.starts.cpu().numpy() + test.seq_len
    number = {row: i for i, row in enumerate(first.tolist())}
    monday = (dates[first].day_of_week == 0) & (dates[first] == dates[first].normalize())
    for row in [*first[monday].tolist(), *first.tolist()]:
        rows = int(dates.searchsorted(dates[row] + WEEK)) - row
        begins = range(row, row + rows, test.pred_len)
        if dates[row] + WEEK <= dates[-1] and all(begin in number for begin in begins):
            return [number[begin] for begin in begins], rows
    return [0], test.pred_len
