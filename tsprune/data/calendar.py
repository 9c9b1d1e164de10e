"""Calendar features of time stamps: the "timeF" marks that the forecasters embed beside the values."""

import numpy as np
import pandas as pd

from tsprune.errors import UserError, unknown

# Each maps a calendar field onto [0, 1]. The divisors are those of the reference (Time-Series-Library): the 366th day
# of a year and the 53rd ISO week are 1.
_FIELDS = {
    "second": lambda dates: dates.second / 59.0,
    "minute": lambda dates: dates.minute / 59.0,
    "hour": lambda dates: dates.hour / 23.0,
    "weekday": lambda dates: dates.day_of_week / 6.0,
    "day": lambda dates: (dates.day - 1) / 30.0,
    "yearday": lambda dates: (dates.day_of_year - 1) / 365.0,
    "week": lambda dates: (dates.isocalendar().week.to_numpy(np.float64) - 1) / 52.0,
    "month": lambda dates: (dates.month - 1) / 11.0,
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
FREQUENCIES = tuple(_FEATURES)


def mark_count(freq: str) -> int:
    """How many calendar features ``freq`` has: 4 for 'h', as in every published long-horizon result."""
    return len(_names(freq))


def time_features(dates: pd.DatetimeIndex, freq: str = "h") -> np.ndarray:
    """Calendar features of ``dates``: float64, shape (rows, features), each in [-0.5, 0.5], the finest field first.

    ``freq`` names the finest field: 's' second, 't' minute, 'h' hour, 'd' or 'b' weekday, 'w' day and ISO week,
    'm' or 'a' month. The published long-horizon results use 'h' for every dataset, whatever its time step
    (tests/golden/data_protocol.json, ``marks``). Raises UserError for another name.
    """
    return np.stack([np.asarray(_FIELDS[name](dates), dtype=np.float64) - 0.5 for name in _names(freq)], axis=1)


def _names(freq: str) -> tuple[str, ...]:
    if freq not in _FEATURES:
        raise UserError(unknown("frequency of time features", freq, _FEATURES))
    return _FEATURES[freq]
