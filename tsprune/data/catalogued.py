"""The tables of the catalogue: checked against it, cleaned by its rules; and the one that is made up."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tsprune.data.catalog import SHARES, Entry, SplitRule
from tsprune.data.checks import Checked, check_csv, need_columns
from tsprune.data.cleaning import Cleaned, clean
from tsprune.data.sources import sums, with_line_feeds
from tsprune.data.synthetic import synthetic_frame
from tsprune.data.table import Table, row_by_row, vouch_for
from tsprune.errors import UserError


def known_table(
    entry: Entry, name: str, source: str, content: bytes, raw: bool, columns: Sequence[str] | None, note: str = ""
) -> Table:
    """A table of the catalogue; where no checksum vouches for the file its shape and its cells are checked instead.

    ``content``: the bytes as they came."""
    vouched = bool(entry.source.sha256) or entry.source.published in sums(content)
    frame, dates = _published(entry, source, with_line_feeds(content))
    if not vouched:
        note = note or "no checksum is known for this file: published numbers may come from another one"
    whole = frame
    frame, notes = chosen(whole, columns, entry.name, entry.split)
    blocked = np.zeros(frame.shape if entry.pooled else len(frame), dtype=bool)
    cleaned = Cleaned(frame, blocked, ("raw: as published, nothing is cleaned",), {})
    if not raw:
        cleaned = clean(frame, entry.rules, pd.Timedelta(entry.time_step), entry.pooled)
    table = Table(
        name=name + _part(entry, frame, whole),
        values=row_by_row(cleaned.frame),
        columns=tuple(frame.columns),
        dates=dates,
        time_step=entry.time_step,
        split=entry.split,
        blocked=cleaned.blocked,
        source=source,
        notes=(*([note] if note else ()), *notes, *cleaned.notes, *entry.defects),
        counts=cleaned.counts,
        pooled=entry.pooled,
        offered=offered(frame, whole.shape[1]),
        filled=cleaned.filled,
    )
    if vouched and columns is None:
        vouch_for(table, entry.name)
    return table


def synthetic_table(entry: Entry, columns: Sequence[str] | None, stands_in_for: str | None = None) -> Table:
    """The made-up series as a table; ``stands_in_for``: the dataset in whose place it is."""
    values, dates, names = synthetic_frame(entry.rows)
    whole = pd.DataFrame(values, columns=list(names))
    frame, notes = chosen(whole, columns, entry.name, entry.split)
    return Table(
        name=entry.name + _part(entry, frame, whole),
        values=row_by_row(frame),
        columns=tuple(frame.columns),
        dates=dates,
        time_step=entry.time_step,
        split=entry.split,
        blocked=np.zeros(len(values), dtype=bool),
        source="tsprune itself: made-up numbers",
        notes=(*notes, *entry.defects),
        stands_in_for=stands_in_for,
        offered=offered(frame, len(names)),
    )


def chosen(
    frame: pd.DataFrame, columns: Sequence[str] | None, name: str, split: SplitRule
) -> tuple[pd.DataFrame, list[str]]:
    """The columns asked for; without a choice all of them, the target 'OT' last where the split is by shares."""
    if columns is not None:
        need_columns(columns, frame.columns, name)
        return frame[list(columns)].copy(), [f"{len(columns)} of {frame.shape[1]} columns are used"]
    if split == SHARES and "OT" in frame and frame.columns[-1] != "OT":
        return frame[[column for column in frame if column != "OT"] + ["OT"]], ["column 'OT' is moved last"]
    return frame.copy(), []


def offered(frame: pd.DataFrame, whole: int) -> int | None:
    """Of how many columns those of the frame were chosen; None where they are all."""
    return whole if frame.shape[1] < whole else None


def _part(entry: Entry, frame: pd.DataFrame, whole: pd.DataFrame) -> str:
    """What is said behind the name of a dataset of which not all columns, or not in their order, are taken: pages and
    stores, which call datasets by their names, must not take it for the whole one."""
    usual, _ = chosen(whole, None, entry.name, entry.split)
    return "" if list(frame) == list(usual) else f" ({frame.shape[1]} of {whole.shape[1]} columns)"


def _published(entry: Entry, source: str, content: bytes) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """The values of a dataset as they were published, and their dates; UserError where they are not what the entry
    says."""
    if entry.source.sha256:
        frame, dates = _as_described(pd.read_csv(io.BytesIO(content)), entry, source)
    else:
        # Its values are those of the file, whatever they look like: that it has the right shape must do.
        checked = check_csv(content, date_column="date", time_step=entry.time_step, codes_are_kept=True)
        checked = _without_problems(checked, source)
        frame, dates = checked.frame, checked.dates
    frame = frame.drop(columns=[column for column in entry.without if column in frame])
    if frame.shape != (entry.rows, entry.columns):
        raise UserError(
            f"{source} is not the {entry.name} of the catalogue: it has {frame.shape[0]} rows x {frame.shape[1]} "
            f"columns, expected {entry.rows} x {entry.columns}; to use a CSV of your own, give its path instead"
        )
    return frame, dates


def _as_described(frame: pd.DataFrame, entry: Entry, source: str) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """Values and dates of the file that a checksum vouches for; UserError where they are not what the entry says."""
    if "date" not in frame:
        raise UserError(
            f"{source}: no column 'date'; the catalogue's files call their dates so. Found: {', '.join(frame)}"
        )
    try:
        step = pd.Timedelta(entry.time_step)
        dates = pd.DatetimeIndex(pd.to_datetime(frame.pop("date")))
    except ValueError as error:
        raise UserError(f"{source}, {entry.name} of the catalogue (time_step {entry.time_step}): {error}") from None
    if (found := dates.to_series().diff().mode()[0]) != step:
        raise UserError(
            f"{source}: most steps are {found}, the catalogue has time_step {entry.time_step} for {entry.name}"
        )
    if words := [str(name) for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]:
        raise UserError(f"{source}: columns that are not numbers: {', '.join(words)}")
    return frame, dates


def _without_problems(checked: Checked, source: str) -> Checked:
    if checked.problems:
        raise UserError("\n".join(f"{source}: {problem}" for problem in checked.problems))
    return checked
