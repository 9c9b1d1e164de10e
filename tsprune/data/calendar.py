"""Calendar features of time stamps: the "timeF" marks that the forecasters embed beside the values."""

import numpy as np
import pandas as pd

from tsprune.errors import UserError, unknown

# What each calendar field counts, its first value, and how far it goes from there. The spans are those of the reference
# (Time-Series-Library): the 366th day of a year and the 53rd ISO week are 1.
_FIELDS = {
    "second": (lambda dates: dates.second, 0, 59),
    "minute": (lambda dates: dates.minute, 0, 59),
    "hour": (lambda dates: dates.hour, 0, 23),
    "weekday": (lambda dates: dates.day_of_week, 0, 6),
    "day": (lambda dates: dates.day, 1, 30),
    "yearday": (lambda dates: dates.day_of_year, 1, 365),
    "week": (lambda dates: dates.isocalendar().week, 1, 52),
    "month": (lambda dates: dates.month, 1, 11),
}
_FEATURES = {
    "s": ("second", "minute", "hour", "weekday", "day", "yearday"),
    "t": ("minute", "hour", "weekday", "day", "yearday"),
    "h": ("hour", "weekday", "day", "yearday"),
    "d": ("weekday", "day", "yearday"),
    "b": ("weekday", "day", "yearday"),
    "w": ("day", "week"),
    "m": ("month",),
    "a": ("month",),
}


def time_features(dates: pd.DatetimeIndex, freq: str) -> np.ndarray:
    """Calendar features of ``dates``: float64, shape (rows, features), each in [-0.5, 0.5], the finest field first.

    ``freq`` names the finest field: 's' second, 't' minute, 'h' hour, 'd' or 'b' weekday, 'w' day and ISO week,
    'm' or 'a' month. The published long-horizon results use 'h' for every dataset, whatever its time step
    (tests/golden/data_protocol.json, ``marks``). Raises UserError for another name.
    """
    firsts, spans = field_ranges(freq)
    return (calendar_fields(dates, freq) - firsts) / spans - 0.5


def calendar_fields(dates: pd.DatetimeIndex, freq: str) -> np.ndarray:
    """What ``time_features`` scales: int64, shape (rows, features), as a calendar has them: weekdays from 0 (Monday),
    days, weeks and months from 1."""
    return np.stack([np.asarray(_FIELDS[name][0](dates), dtype=np.int64) for name in field_names(freq)], axis=1)


def field_ranges(freq: str) -> tuple[np.ndarray, np.ndarray]:
    """The first value of each calendar field of ``freq`` and the span above it, int64, shape (features,) each."""
    firsts, spans = zip(*(_FIELDS[name][1:] for name in field_names(freq)), strict=True)
    return np.array(firsts), np.array(spans)


def field_names(freq: str) -> tuple[str, ...]:
    """The calendar fields of ``freq``, the finest first."""
    if freq not in _FEATURES:
        raise UserError(unknown("frequency of time features", freq, _FEATURES))
    return _FEATURES[freq]
