"""A CSV of one's own: every problem found at once, one line each, naming the line of the file and the column."""

import csv
import io
import re
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsprune.errors import UserError, unknown

DATE_NAMES = ("date", "datetime", "timestamp", "time", "ds", "start")
_MONTHS, _YEARS = ("MS", "ME"), ("YS", "YE")


@dataclass(frozen=True)
class Checked:
    """What a CSV holds and what is wrong with it. ``frame`` has the value columns as float64 in the file's order.

    ``dates`` (rows,) may hold NaT where ``problems`` says so. ``grid``: every time stamp that should be there.
    ``problems`` make the file unusable, ``notes`` do not.
    """

    frame: pd.DataFrame
    dates: pd.DatetimeIndex
    time_step: str
    grid: pd.DatetimeIndex
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_csv(
    content: bytes, *, date_column: str | None = None, time_step: str | None = None, gaps_are_filled: bool = False
) -> Checked:
    """Read a CSV with one column of dates and at least one of numbers, and look for everything that is wrong with it.

    The date column is the one given, else the first one with a usual name (date, datetime, timestamp, time, ds, start),
    else the first whose values read as dates. The time step is the one given (as pandas writes it: '15min', '1h', '1D',
    'MS'), else the most frequent one. With ``gaps_are_filled`` absent time stamps and empty cells are no problem.

    Raises UserError, with one line, where nothing can be checked: no table, no dates, no such column, no such step.
    """
    table, lines = _parse(content)
    name = _date_column(table, date_column)
    dates, notes = _dates(table[name])
    problems = _date_problems(table[name], dates, lines)
    frame, found = _numbers(table.drop(columns=name), lines, gaps_are_filled)
    order, step, grid = _order_problems(dates, lines, time_step, gaps_are_filled)
    for column in frame:
        lowest, highest = frame[column].min(), frame[column].max()
        if lowest == highest:
            notes.append(f"column '{column}' is constant ({lowest:g}): it is scaled to 0")
    return Checked(frame, dates, step, grid, tuple(problems + found + order), tuple(notes))


def _parse(content: bytes) -> tuple[pd.DataFrame, np.ndarray]:
    """The table as pandas reads it, and the line of the file that each row stands on."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"line {line}: not UTF-8 text; save the file as UTF-8") from None
    filled = [number for number, line in enumerate(content.split(b"\n"), start=1) if line and not line.isspace()]
    if len(filled) < 2:
        raise UserError("the file has no rows; needed: a line of column names and a line per time step")
    header = next(csv.reader([content.split(b"\n", filled[0])[filled[0] - 1].decode()]))
    if len(header) == 1:
        other = next((mark for mark in ";\t|" if mark in header[0]), None)
        hint = f"; columns seem to be separated by {other!r}, allowed is ','" if other else ""
        raise UserError(f"line {filled[0]}: only one column, needed: one of dates and at least one of numbers{hint}")
    twice = [column for column in dict.fromkeys(header) if header.count(column) > 1]
    if twice:
        raise UserError(
            f"line {filled[0]}: column '{twice[0]}' occurs {header.count(twice[0])} times; names must differ"
        )
    try:
        table = pd.read_csv(io.BytesIO(content), low_memory=False, index_col=False)
    except pd.errors.ParserError as error:
        raise UserError(re.sub(r"^.*C error: ", "", str(error)).strip()) from None
    lines = np.array(filled[1:]) if len(filled) == len(table) + 1 else np.arange(2, len(table) + 2)
    return table, lines


def _date_column(table: pd.DataFrame, given: str | None) -> str:
    if given is not None:
        if given not in table:
            raise UserError(unknown("date column", given, table.columns))
        return given
    for column in table:
        if str(column).strip().lower() in DATE_NAMES:
            return column
    for column in table:
        if not pd.api.types.is_numeric_dtype(table[column]):
            sample = table[column].dropna().head(100)
            if len(sample) and _dates(sample)[0].notna().mean() >= 0.5:
                return column
    raise UserError(
        f"no column of dates found; columns: {', '.join(map(str, table.columns))}. Name it with date_column"
    )


def _dates(column: pd.Series) -> tuple[pd.DatetimeIndex, list[str]]:
    """Dates without zone (NaT where unreadable), and notes on how they were read."""
    if pd.api.types.is_numeric_dtype(column):
        return pd.DatetimeIndex([pd.NaT] * len(column)), []
    readings = []
    for options, note in (
        ({}, None),
        ({"format": "ISO8601"}, None),
        ({"dayfirst": True}, "dates are read with the day before the month"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # pandas' advice to name a format; unreadable dates are reported
            dates = pd.DatetimeIndex(pd.to_datetime(column, errors="coerce", utc=True, **options)).tz_localize(None)
        readings.append((int(dates.isna().sum()), dates, note))
        if readings[-1][0] == 0:
            break
    _, dates, note = min(readings, key=lambda reading: reading[0])
    notes = [note] if note else []
    if column.astype(str).str.contains(r":\d\d(?:\.\d+)?\s*(?:Z|[+-]\d\d:?\d\d)$").any():
        notes.append("times are turned into UTC")
    return dates, notes


def _date_problems(column: pd.Series, dates: pd.DatetimeIndex, lines: np.ndarray) -> list[str]:
    bad = np.flatnonzero(dates.isna())
    if not len(bad):
        return []
    first = bad[0]
    return [
        f"line {lines[first]}, column '{column.name}': {str(column.iloc[first])!r} is not a date{_more(len(bad) - 1)}; "
        "write dates like 2020-12-31 23:00"
    ]


def _numbers(table: pd.DataFrame, lines: np.ndarray, gaps_are_filled: bool) -> tuple[pd.DataFrame, list[str]]:
    """The columns as float64 (NaN where they hold no number) and what is wrong with their cells."""
    problems, columns = [], {}
    for position, column in enumerate(table):
        if str(column).startswith("Unnamed: "):
            problems.append(f"line 1: column {position + 2} has no name; name it or take it away")
            continue
        given = table[column]
        numbers = pd.to_numeric(given, errors="coerce").astype(np.float64)
        text = np.flatnonzero(given.notna() & numbers.isna())
        if len(text):
            where = f"line {lines[text[0]]}, column '{column}': {given.iloc[text[0]]!r} is not a number"
            if len(text) == given.notna().sum():
                problems.append(f"{where}, nor is any other value of this column; take the column away or encode it")
                continue
            problems.append(where + _more(len(text) - 1))
        infinite = np.flatnonzero(np.isinf(numbers))
        if len(infinite):
            problems.append(f"line {lines[infinite[0]]}, column '{column}': infinite{_more(len(infinite) - 1)}")
        empty = np.flatnonzero(given.isna())
        if len(empty) == len(given):
            problems.append(f"column '{column}' has no values; take it away")
        elif len(empty) and not gaps_are_filled:
            problems.append(
                f"line {lines[empty[0]]}, column '{column}': no value{_more(len(empty) - 1)}; "
                "fill it in, or choose missing='interpolate'"
            )
        columns[column] = numbers
    if not columns and not problems:
        problems.append("no column of numbers beside the dates")
    return pd.DataFrame(columns, index=table.index), problems


def _order_problems(
    dates: pd.DatetimeIndex, lines: np.ndarray, time_step: str | None, gaps_are_filled: bool
) -> tuple[list[str], str, pd.DatetimeIndex]:
    """What is wrong with the order of the dates; the time step; every stamp that should be there."""
    problems = []
    known = dates.notna()
    stamps, lines = dates[known], lines[known]
    twice = np.flatnonzero(stamps.duplicated())
    if len(twice):
        first = np.flatnonzero(stamps == stamps[twice[0]])[0]
        problems.append(
            f"line {lines[twice[0]]}: the time {stamps[twice[0]]} is already on line {lines[first]}"
            f"{_more(len(twice) - 1)}; keep one row per time"
        )
    back = np.flatnonzero(stamps[1:] < stamps[:-1]) + 1
    if len(back):
        i = back[0]
        problems.append(
            f"line {lines[i]}: the time {stamps[i]} comes before that of the line above, {stamps[i - 1]}"
            f"{_more(len(back) - 1)}; sort the rows by time"
        )
    ordered = stamps.unique().sort_values()
    if len(ordered) < 3:
        return [*problems, f"only {len(ordered)} different times; a series needs at least 3"], time_step or "", ordered
    step = time_step or _detect_step(ordered)
    try:
        grid = pd.date_range(ordered[0], ordered[-1], freq=step)
    except ValueError:
        raise UserError(
            f"time_step = '{step}': not a time step; write it like '15min', '1h', '1D', '7D' or 'MS'"
        ) from None
    off = np.flatnonzero(~stamps.isin(grid))
    if len(off):
        problems.append(
            f"line {lines[off[0]]}: the time {stamps[off[0]]} is not a whole number of steps of {step} after "
            f"{ordered[0]}{_more(len(off) - 1)}; give another time_step, or make the steps equal"
        )
    absent = grid.difference(ordered)
    if len(absent) and known.all() and not len(off) and not gaps_are_filled:
        after = lines[np.flatnonzero(stamps < absent[0])[-1]]
        problems.append(
            f"after line {after}: the time {absent[0]} is missing at a time step of {step}{_more(len(absent) - 1)}; "
            "add the rows, or choose missing='interpolate'"
        )
    return problems, step, grid


def _detect_step(ordered: pd.DatetimeIndex) -> str:
    """The most frequent difference between neighbours as pandas writes it; whole months and years are seen as such."""
    steps = pd.Series(ordered[1:] - ordered[:-1])
    step = steps.mode().iloc[0]
    if pd.Timedelta("28D") <= step <= pd.Timedelta("31D"):
        for freq in _MONTHS:
            if ordered.isin(pd.date_range(ordered[0], ordered[-1], freq=freq)).all():
                return freq
    if pd.Timedelta("365D") <= step <= pd.Timedelta("366D"):
        for freq in _YEARS:
            if ordered.isin(pd.date_range(ordered[0], ordered[-1], freq=freq)).all():
                return freq
    for unit in ("D", "h", "min", "s", "ms"):
        count, rest = divmod(step, pd.Timedelta(1, unit))
        if not rest:
            return f"{count}{unit}"
    return f"{step.value}ns"


def _more(count: int) -> str:
    return f" (and {count} more)" if count else ""
