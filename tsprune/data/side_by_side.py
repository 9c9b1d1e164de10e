"""Columns that may be one series side by side: the hours of each day, the months of each year."""

import re

import pandas as pd

from tsprune.data.habits import as_read, names_month
from tsprune.data.order import Ordered
from tsprune.data.timesteps import DAY
from tsprune.shown import quoted

_PARTS = {1: (24, 25, 48, 96), 30: (28, 29, 30, 31), 365: (4, 12)}
"""By about how many days a time step has, how many parts of it may stand side by side."""
_PART = re.compile(
    r"(?:h|hr|hour|he|d|day|m|month|q|quarter|period)?[ _-]?(\d{1,2})(?:(?::?[0-5]\d){1,2}\b.*)?", re.IGNORECASE
)


def parts_of_a_step(frame: pd.DataFrame, order: Ordered) -> list[str]:
    """A note where columns are called as the hours of a day, the days of a month, or the months or quarters of a year
    that each row is of: they may be one series."""
    days = pd.Series(order.grid).diff().median() / DAY
    counts = next((counts for length, counts in _PARTS.items() if 0.9 * length < days < 1.1 * length), ())
    names = list(frame)
    if len(names) not in counts:
        return []
    numbers = [int(found[1]) for found in map(_PART.fullmatch, names) if found]
    numbered = len(numbers) == len(names) and numbers[0] in (0, 1) and numbers == sorted(numbers)
    if not numbered and not (len(names) == 12 and all(names_month(as_read(name)) for name in names)):
        return []
    return [
        f"columns {quoted(names[0])} to {quoted(names[-1])} are read as series of their own at a time step of "
        f"{order.step}; if they are parts of it, turn the table: a row per part, all in one column"
    ]
