"""What is loaded: the values and dates of one dataset, with notes on what was changed."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from tsprune.data.catalog import CATALOG, SplitRule
from tsprune.data.mapped import blocks
from tsprune.data.scale import scale_problems
from tsprune.data.timesteps import season_of
from tsprune.typed import digest

# Fingerprint of a whole table -> its dataset; what a checksum vouches for is added as it is loaded.
_KNOWN = {fingerprint: entry.name for entry in CATALOG.values() for fingerprint in entry.fingerprints}


@dataclass(frozen=True, eq=False)
class Table:
    """One dataset, ready for windows: rows in order of time and, unless it was loaded raw, no value missing."""

    name: str
    values: np.ndarray  # (rows, columns) float64, in the data's own units
    columns: tuple[str, ...]
    dates: pd.DatetimeIndex  # (rows,)
    time_step: str  # as pandas writes it: '1h', '15min', '7D'; or 'days 1,11,21' of each month
    split: SplitRule
    blocked: np.ndarray  # (rows,) bool: inside a filled gap that no window may touch; (rows, columns) where pooled
    source: str  # for people, without an absolute path
    notes: tuple[str, ...] = ()  # what was changed and what is known to be wrong, one line each
    counts: dict[str, int] = field(default_factory=dict)  # how many values each cleaning step touched
    pooled: bool = False  # each column is a series of its own: a window is of one column
    stands_in_for: str | None = None  # the dataset that could not be had, if these are made-up numbers in its place
    offered: int | None = None  # columns that these were chosen from, of the file or dataset; None where all are taken
    filled: np.ndarray | None = None  # (rows, columns) bool: values made up to fill a gap; None where there are none
    fingerprint: str = field(init=False)  # sha256 of what a result depends on: values, dates, split

    def __post_init__(self):
        told = [list(self.columns), self.time_step, self.split.ends, *(["pooled"] if self.pooled else [])]
        content = hashlib.sha256(digest(told).encode())
        for array in (self.values, self.dates.to_numpy("datetime64[ns]"), self.blocked):
            content.update(repr(array.shape).encode())
            for rows in blocks(array):
                content.update(np.ascontiguousarray(array[rows]).view(np.uint8).data)
        object.__setattr__(self, "fingerprint", content.hexdigest())

    @property
    def series(self) -> int:
        """How many series windows are cut from: one of all columns, or each column."""
        return len(self.columns) if self.pooled else 1

    @property
    def width(self) -> int:
        """Columns of a window."""
        return len(self.columns) // self.series

    @property
    def season(self) -> int:
        """Time steps after which the series may be expected to repeat: a day; for daily values a week, for slower ones
        a year; 1 if none of these fits."""
        return season_of(self.time_step)

    @cached_property
    def unscaled(self) -> tuple[str, ...]:
        """Columns whose scale the train rows do not tell (:func:`scale_problems`): a line each. Of rows in a split."""
        borders = self.split.borders(len(self.values))
        return tuple(scale_problems(self.values[: borders[-1][1]], self.columns, borders[0][1])[0])

    @property
    def catalog_name(self) -> str | None:
        """The dataset of the catalogue whose content this is, whole, raw or cleaned; None where it is another's.

        Told by the fingerprint: a file of one's own called ETTh1.csv is not ETTh1, and a copy of ETTh1 under another
        name is. Chosen columns are not the dataset, nor is a file that no checksum vouches for.
        """
        return _KNOWN.get(self.fingerprint)


def vouch_for(table: Table, name: str) -> None:
    """From now on, content equal to that of ``table`` is recognised as the dataset ``name`` of the catalogue."""
    _KNOWN[table.fingerprint] = name


def row_by_row(frame: pd.DataFrame) -> np.ndarray:
    """The values row by row in memory, as windows read them: float64, shape (rows, columns)."""
    return np.ascontiguousarray(frame.to_numpy(np.float64))
