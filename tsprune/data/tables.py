"""Tables: values and dates of one dataset, checked and cleaned, with notes on what was changed."""

import hashlib
import io
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tsprune.data.catalog import CATALOG, SplitRule, find_entry
from tsprune.data.cleaning import clean
from tsprune.data.sources import DataUnavailable, find_local, read_text, verify
from tsprune.data.synthetic import synthetic_frame
from tsprune.typed import digest


@dataclass(frozen=True, eq=False)
class Table:
    """One dataset, ready for windows: no row is out of order, no value is missing (unless it was loaded raw)."""

    name: str
    values: np.ndarray  # (rows, columns) float64, in the data's units
    columns: tuple[str, ...]
    dates: pd.DatetimeIndex  # (rows,)
    time_step: str
    split: SplitRule
    blocked: np.ndarray  # (rows,) bool: inside a filled gap that no window may touch
    source: str  # for people, without an absolute path
    notes: tuple[str, ...] = ()  # what was changed and what is known to be wrong, one line each
    counts: dict[str, int] = field(default_factory=dict)
    stands_in_for: str | None = None  # the dataset that could not be had, if these are made-up numbers instead
    fingerprint: str = field(init=False)  # sha256 of values, dates, columns, blocked rows and split after cleaning

    def __post_init__(self):
        content = hashlib.sha256(digest([list(self.columns), self.time_step, self.split.ends]).encode())
        for array in (self.values, self.dates.to_numpy("datetime64[ns]").view(np.int64), self.blocked):
            content.update(repr(array.shape).encode())
            content.update(np.ascontiguousarray(array).view(np.uint8).data)
        object.__setattr__(self, "fingerprint", content.hexdigest())


def load_table(
    name: str,
    *,
    raw: bool = False,
    missing: str = "error",
    date_column: str | None = None,
    time_step: str | None = None,
    fallback_to_synthetic: bool = False,
) -> Table:
    """The dataset of this name."""
    entry = find_entry(name)
    if entry.name == "synthetic":
        return _synthetic()
    found = find_local(entry)
    if found is None:
        if fallback_to_synthetic:
            return _synthetic(stands_in_for=entry.name)
        raise DataUnavailable(f"{entry.name} was not found")
    content = read_text(found.path)
    verify(content, entry, found.path)
    frame = pd.read_csv(io.BytesIO(content), float_precision="round_trip")
    dates = pd.DatetimeIndex(pd.to_datetime(frame.pop("date")))
    cleaned = clean(frame, () if raw else entry.rules, 6)
    return Table(
        name=entry.name,
        values=cleaned.frame.to_numpy(np.float64),
        columns=tuple(frame.columns),
        dates=dates,
        time_step=entry.time_step,
        split=entry.split,
        blocked=cleaned.blocked,
        source=str(found),
        notes=cleaned.notes,
        counts=cleaned.counts,
    )


def _synthetic(stands_in_for: str | None = None) -> Table:
    entry = CATALOG["synthetic"]
    values, dates, columns = synthetic_frame()
    return Table(
        name=entry.name,
        values=values,
        columns=columns,
        dates=dates,
        time_step=entry.time_step,
        split=entry.split,
        blocked=np.zeros(len(values), dtype=bool),
        source="made up by tsprune",
        notes=entry.defects,
        stands_in_for=stands_in_for,
    )
