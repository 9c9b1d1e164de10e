"""Calendar features of time stamps: the "timeF" marks that the forecasters embed beside the values."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from tsprune.errors import UserError, unknown

# Each feature maps a calendar field linearly onto [-0.5, 0.5]. Divisors are those of the reference
# (Time-Series-Library, utils/timefeatures), so a 53rd ISO week lands on 0.5 and a 366th day likewise.
_SECOND: Callable = lambda d: d.second / 59.0 - 0.5  # noqa: E731
_MINUTE: Callable = lambda d: d.minute / 59.0 - 0.5  # noqa: E731
_HOUR: Callable = lambda d: d.hour / 23.0 - 0.5  # noqa: E731
_WEEKDAY: Callable = lambda d: d.dayofweek / 6.0 - 0.5  # noqa: E731
_DAY: Callable = lambda d: (d.day - 1) / 30.0 - 0.5  # noqa: E731
_YEARDAY: Callable = lambda d: (d.dayofyear - 1) / 365.0 - 0.5  # noqa: E731
_WEEK: Callable = lambda d: (d.isocalendar().week.to_numpy(np.float64) - 1) / 52.0 - 0.5  # noqa: E731
_MONTH: Callable = lambda d: (d.month - 1) / 11.0 - 0.5  # noqa: E731

_FEATURES = {
    "s": (_SECOND, _MINUTE, _HOUR, _WEEKDAY, _DAY, _YEARDAY),
    "t": (_MINUTE, _HOUR, _WEEKDAY, _DAY, _YEARDAY),
    "h": (_HOUR, _WEEKDAY, _DAY, _YEARDAY),
    "d": (_WEEKDAY, _DAY, _YEARDAY),
    "b": (_WEEKDAY, _DAY, _YEARDAY),
    "w": (_DAY, _WEEK),
    "m": (_MONTH,),
    "a": (_MONTH,),
}

FREQUENCIES = tuple(_FEATURES)


def mark_count(freq: str) -> int:
    """How many calendar features ``freq`` has: 4 for 'h', as in every published result."""
    return len(_fields(freq))


def time_features(dates: pd.DatetimeIndex, freq: str = "h") -> np.ndarray:
    """Calendar features of ``dates``: float64, shape (rows, features), each in [-0.5, 0.5], the finest field first.

    ``freq`` names the finest field: 's' second, 't' minute, 'h' hour, 'd' or 'b' weekday, 'w' day and ISO week,
    'm' or 'a' month. The published long-horizon results use 'h' for every dataset, whatever its time step
    (tests/golden/data_protocol.json, ``marks``). Raises UserError for another name.
    """
    return np.stack([np.asarray(field(dates), dtype=np.float64) for field in _fields(freq)], axis=1)


def _fields(freq: str) -> tuple[Callable, ...]:
    if freq not in _FEATURES:
        raise UserError(unknown("frequency of time features", freq, _FEATURES))
    return _FEATURES[freq]
