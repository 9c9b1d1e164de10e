"""Checks of a user's own CSV: every problem found at once, one line each, naming the line of the file and the
column."""

import ast
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tsprune.data.advice import date_advice
from tsprune.data.catalog import SHARES
from tsprune.data.cells import counts_rows, read_cells
from tsprune.data.codes import find_codes
from tsprune.data.column_names import as_text
from tsprune.data.dates import DISPUTED, ORDERS, TWO_DIGITS, Reading, read_dates
from tsprune.data.habits import as_read, names_month
from tsprune.data.order import MADE_UP, Ordered, check_order, choose_reading, newest_first, whole_periods
from tsprune.data.parsing import Parsed, parse_csv, parse_frame
from tsprune.data.scale import scale_problems
from tsprune.data.timesteps import DAY
from tsprune.errors import UserError, no_column
from tsprune.shown import more, quoted

KEEPS_CODES = "raw: true keeps it"
"""What helps where a value only looks like "no reading", as a study's parameter and load_table's are called; a command
that has another way says that instead."""
_GIVEN = re.compile(r"(?<![\w'-])(date_column|date_order|encoding|time_step)(?: = |=)(?=')")
_NAMED = re.compile(r"(?:(?<=with )|(?<=the )|(?<=another )|(?<=unknown ))(date_column|date_order|time_step)\b(?!['.])")
_CHOSEN = re.compile(r"(?<=others with )(columns)")
_LISTED = re.compile(r"\bcolumns(?: = |=)(\[.*\])")
_EXAMPLE = 5
"""Columns at most that are named to show how columns are chosen."""
_MOST_OF_A_CENTURY = 80
"""Years."""
_USUAL_YEARS = (1600, 2300)
"""Of measurements and scenarios."""
_LEAP_YEAR = 2000
"""One with all days that there are."""
_SOME = 200
"""Rows, spread over the file, that tell whether a column holds dates."""
_LEAST_DATE = 10_000
"""As spreadsheets count days this is of 1927; below are years, months, days and hours, which may be of use."""


_PARTS = {1: (24, 25, 48, 96), 30: (28, 29, 30, 31), 365: (4, 12)}
"""By about how many days a time step has, how many parts of it may stand side by side."""
_PART = re.compile(
    r"(?:h|hr|hour|he|d|day|m|month|q|quarter|period)?[ _-]?(\d{1,2})(?:(?::?[0-5]\d){1,2}\b.*)?", re.IGNORECASE
)


@dataclass(frozen=True)
class Checked:
    """What a CSV holds and what is wrong with it. ``frame`` has the value columns as float64 in the file's order.

    ``dates`` (rows,) may hold NaT where ``problems`` says so. ``grid``: every time stamp that should be there.
    ``offered``: how many columns of values the file has. ``problems`` make the file unusable, ``notes`` do not.
    """

    frame: pd.DataFrame
    dates: pd.DatetimeIndex
    time_step: str
    grid: pd.DatetimeIndex
    offered: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def check_csv(
    content: bytes | pd.DataFrame,
    *,
    date_column: str | None = None,
    time_step: str | None = None,
    gaps_are_filled: bool = False,
    codes_are_kept: bool = False,
    encoding: str | None = None,
    date_order: str | None = None,
    columns: Sequence[str] | None = None,
    asked: bool = True,
    scaled: bool = True,
) -> Checked:
    """Read a CSV (or the table of a binary file) with one column of dates, and look for everything that is wrong.

    The date column is the one given, else found (:func:`find_date_column`). How its dates are read, and which step they
    have, is chosen so that the series is even (:func:`choose_reading`, :func:`detect_step`), unless ``date_order`` and
    ``time_step`` say so. ``columns``: the value columns to look at, all unless given; not ``asked``: not the user's
    choice. With ``gaps_are_filled`` absent times and empty cells are no problem up to the share MADE_UP, and values
    that look like "no reading" (:func:`find_codes`) become empty cells; without, they are a problem unless
    ``codes_are_kept``. Not ``scaled``: no scale is learnt from these rows, so a column that gives none is fine.

    Raises UserError, with one line, if nothing can be checked: no table, no dates, no such column, no such step.
    """
    if isinstance(content, bytes):
        parsed = parse_csv(content, encoding=encoding, date_column=date_column)
    else:
        parsed = parse_frame(content, date_column=date_column)
    offered, asked = parsed.frame.shape[1] - 1, asked and columns is not None
    parsed = _only(parsed, columns)
    reading, problems, backward = _read_dates(parsed, date_order, time_step)
    cells = read_cells(parsed, gaps_are_filled, asked)  # in the order of the file: numbers of rows go up in it
    if backward:
        notes = (*parsed.notes, "the newest row stands first: rows are read from the last to the first")
        parsed = replace(parsed, frame=parsed.frame[::-1], lines=parsed.lines[::-1], notes=notes)
        cells = replace(cells, frame=cells.frame[::-1])
    order = check_order(reading.dates, parsed.lines, parsed.place, time_step, gaps_are_filled)
    years = _century(parsed, reading) or _no_count(parsed, reading)
    years = years or (_yearless(parsed, reading) if date_order is None else [])
    again = _dates_again(cells.frame, parsed, reading)
    keeping = f"; {KEEPS_CODES}" if scaled else ""  # a model that is there already reads no such value
    frame, coded, taken = _codes(cells.frame, parsed, gaps_are_filled, codes_are_kept, keeping)
    empty = _made_up(frame, order) if gaps_are_filled else []
    train = SHARES.borders(len(order.grid))[0][1] if len(order.grid) > 2 else 0
    # Train rows are counted on the whole grid, where absent rows have been added.
    gapped = order.absent and not (problems or order.problems)
    whole = frame.set_axis(reading.dates).reindex(order.grid) if gapped else frame
    unscaled, scales = scale_problems(whole.to_numpy(np.float64), list(whole), train) if scaled else ([], [])
    unfit = {*cells.unfit, *again, *empty}
    found = [*problems, *cells.problems, *(years or order.problems), *again, *coded, *empty, *unscaled]
    fit = [name for name in cells.frame if not any(f"column {quoted(name)}" in problem for problem in unfit)]
    series = [name for name in fit if not counts_rows(cells.frame[name])]
    choose = "" if asked else how_to_choose(series or fit)
    return Checked(
        frame,
        reading.dates,
        order.step,
        order.grid,
        offered,
        tuple(problem + choose if problem in unfit else problem for problem in found),
        tuple(
            [
                *parsed.notes,
                *reading.notes,
                *_far_years(reading.dates),
                *order.notes,
                *_side_by_side(frame, order),
                *cells.notes,
                *taken,
                *scales,
            ]
        ),
    )


def _side_by_side(frame: pd.DataFrame, order: Ordered) -> list[str]:
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


def how_to_choose(names: Sequence[str]) -> str:
    """What is said behind a problem of a whole column, where there are others to take instead: as ``-p`` of a study and
    :func:`load_table` have it, and with blanks around the sign a notebook."""
    return f", or name the columns to take, such as columns={list(names[:_EXAMPLE])}" if names else ""


def in_options(text: str, keeping: str = KEEPS_CODES) -> str:
    """What is said of data with parameters named as the options of a command; ``keeping``: in the place of
    KEEPS_CODES."""

    def option(found: re.Match, behind: str = "") -> str:
        return f"--{found[found.lastindex].replace('_', '-')}{behind}"

    def named(found: re.Match) -> str:
        return f"--columns {shlex.quote(as_text(ast.literal_eval(found[1])))}"

    text = _CHOSEN.sub(option, _LISTED.sub(named, text))
    text = text.replace(KEEPS_CODES, keeping).replace("missing: interpolate", "--missing interpolate")
    return _NAMED.sub(option, _GIVEN.sub(lambda found: option(found, " "), text))


def need_columns(columns: Sequence[str], there: Collection[str], name: str = "") -> None:
    """Raise UserError for a column that is not ``there`` (in the dataset ``name``), for none, and for one named
    twice."""
    for column in columns:
        if column not in there:
            raise UserError(f"{name}{': ' if name else ''}{no_column(column, there)}")
    if not columns or len(set(columns)) < len(columns):
        raise UserError(f"columns = {list(columns)}: name at least one column, and each once")


def _only(parsed: Parsed, columns: Sequence[str] | None) -> Parsed:
    """The dates and the columns asked for; UserError names one that is not there."""
    if columns is None:
        return parsed
    if parsed.date in columns:
        raise UserError(f"column {quoted(parsed.date)} holds the dates: it cannot be one of the columns of values, too")
    others = [name for name in parsed.frame if name != parsed.date]
    need_columns(columns, others)
    notes = [f"{len(columns)} of {len(others)} columns are used"] if len(columns) < len(others) else []
    return replace(parsed, frame=parsed.frame[[parsed.date, *columns]], notes=(*parsed.notes, *notes))


def _read_dates(parsed: Parsed, date_order: str | None, time_step: str | None) -> tuple[Reading, list[str], bool]:
    """The dates of each row, a problem where cells cannot be read as dates, and whether the file has its newest row
    first: then these are the dates from its last row to its first."""
    cells, lines = parsed.frame[parsed.date], parsed.lines
    cells = cells if pd.api.types.is_datetime64_any_dtype(cells) else cells.astype(str).where(cells.notna(), "")
    readings = read_dates(cells) if (texts := pd.api.types.is_string_dtype(cells)) else [_typed(cells)]
    if backward := newest_first(readings):
        cells, lines = cells[::-1], lines[::-1]
        readings = [replace(reading, dates=reading.dates[::-1]) for reading in readings]
    readings = readings if time_step else list(map(whole_periods, readings))
    if not texts:
        reading = readings[0]
    elif readings:
        example = cells.iloc[int(np.argmax(readings[0].dates.notna()))]
        reading = choose_reading(readings, example, date_order, time_step)
    else:
        reading = _unread(len(cells))
    bad = np.flatnonzero(reading.dates.isna())
    if not len(bad):
        return reading, [], backward
    if 2 * reading.unread > len(cells):  # what cannot be read tells how few the others say
        reading = _unread(len(cells))
    text = "" if pd.isna(cells.iloc[bad[0]]) else str(cells.iloc[bad[0]])
    cell = f"{quoted(text)} is not a date" if text else "no date"
    every = len(bad) == len(cells)
    first, last = not every and bad[-1] == len(bad) - 1, not every and bad[0] == len(cells) - len(bad)
    others = [other.order for other in readings if date_order and not other.unread and other.order in ORDERS]
    advice = (
        f"it does not fit date_order={date_order!r}, all do fit {others[0]!r}"
        if others
        else date_advice(text, parsed.date, first=first, last=last, every=every)
    )
    where = f"{parsed.place} {lines[bad[0]]}, column {quoted(parsed.date)}"
    return reading, [f"{where}: {cell}{more(len(bad) - 1)}; {advice}"], backward


def _century(parsed: Parsed, reading: Reading) -> list[str]:
    """A problem where nothing tells the century of years of two digits: all are of one to some programs and of another
    to others, or they fall back by most of a century, as from 68 to 69. Whatever else is wrong with their order comes
    of it."""
    years = reading.dates.year.to_numpy(np.float64)  # NaN where there is no date
    disputed = np.flatnonzero((years >= DISPUTED[0]) & (years <= DISPUTED[1]))
    if TWO_DIGITS not in reading.notes or not len(disputed):
        return []
    if len(disputed) < np.isfinite(years).sum() and not (np.diff(years) < -_MOST_OF_A_CENTURY).any():
        return []
    row = disputed[0]
    cell = quoted(str(parsed.frame[parsed.date].iloc[row]))
    return [
        f"{parsed.place} {parsed.lines[row]}, column {quoted(parsed.date)}: {cell}{more(len(disputed) - 1)} may be of "
        f"{years[row]:.0f} or, as spreadsheets read it, of {years[row] - 100:.0f}; write years with four digits"
    ]


def _no_count(parsed: Parsed, reading: Reading) -> list[str]:
    """A problem where what is read as a count since 1970 is in every row a day of a year of two digits and a time too
    (2501010030): hardly any ten counts are, as few numbers end in an hour and a minute."""
    cells = parsed.frame[parsed.date].astype(str)
    if reading.order != "unix" or not cells.str.fullmatch(r"\d{10}|\d{12}").all():
        return []
    days = (pd.to_datetime(cells.str[:6], format=order, errors="coerce") for order in ("%y%m%d", "%d%m%y", "%m%d%y"))
    clocks = cells.str[6:].str.fullmatch("([01][0-9]|2[0-3])([0-5][0-9]){1,2}")
    if not clocks.all() or not any(dates.notna().all() for dates in days):
        return []
    where = f"{parsed.place} {parsed.lines[0]}, column {quoted(parsed.date)}"
    return [
        f"{where}: {quoted(cells.iloc[0])}{more(len(cells) - 1)} may count from 1970 to {reading.dates[0]}, or be a "
        "day of a year of two digits and a time; write dates like 202012312300 or 2020-12-31 23:00"
    ]


def _yearless(parsed: Parsed, reading: Reading) -> list[str]:
    """A problem where what is read as a month and a year of two digits ('01-Jan', 'Jan 02') may as well be a month and
    a day of it, as spreadsheets show days: where these go on by days or weeks, or within a day."""
    dates = reading.dates[reading.dates.notna()]
    if reading.order not in ("ym", "my") or TWO_DIGITS not in reading.notes or len(dates) < 3:
        return []
    parts = {"year": _LEAP_YEAR, "month": dates.month, "day": dates.year % 100}
    days = pd.to_datetime(pd.DataFrame(parts), errors="coerce") + (dates - dates.normalize())
    steps = days.diff().dropna()
    usual = steps.mode()[0] if len(steps) else DAY
    if days.isna().any() or not (usual <= DAY or usual == 7 * DAY) or (steps == usual).mean() < 1 - MADE_UP:
        return []
    row = int(np.argmax(reading.dates.notna()))
    cell = quoted(str(parsed.frame[parsed.date].iloc[row]))
    return [
        f"{parsed.place} {parsed.lines[row]}, column {quoted(parsed.date)}: {cell}{more(len(dates) - 1)} may be of "
        f"{dates[0].year} or a day without its year; write years with four digits, or choose "
        f"date_order={reading.order!r} if years of two digits they are"
    ]


def _dates_again(frame: pd.DataFrame, parsed: Parsed, reading: Reading) -> list[str]:
    """A problem for each column of numbers that holds the dates once more (20200131, 1580428800, 43861, 2020.083): what
    is no more than a day, or a step, from the date of its row in every one of some rows."""
    rows = np.unique(np.linspace(0, len(frame) - 1, _SOME).astype(int)) if len(frame) else np.array([], dtype=int)
    rows = rows[reading.dates[rows].notna()]
    if len(rows) < 3:
        return []
    dates = reading.dates[rows]
    reach = max(DAY, pd.Series(reading.dates).diff().median())
    years = (dates.year + (dates.day_of_year - 1) / 365.25).to_numpy()
    problems = []
    for name in frame:
        values = frame[name].to_numpy()[rows]
        if not np.isfinite(values).all():
            continue
        again = bool((values % 1 > 0).any() and (abs(values - years) <= reach / (365.25 * DAY)).all())
        if (values >= _LEAST_DATE).all() and (values % 1 == 0).all():
            ways = read_dates([f"{value:.0f}" for value in values])
            again = any(not way.unread and (abs(way.dates - dates) <= reach).all() for way in ways)
        if again:
            where = f"{parsed.place} {parsed.lines[rows[0]]}, column {quoted(name)}"
            problems.append(
                f"{where}: {_written(values[0])} is the date once more; a second column of dates; remove it"
            )
    return problems


def _written(value: float) -> str:
    return f"{value:.0f}" if value % 1 == 0 else f"{value:.12g}"


def _far_years(dates: pd.DatetimeIndex) -> list[str]:
    """A note where years are out of the usual range: of the Buddhist or the Persian calendar they are."""
    years = dates[dates.notna()].year
    if not len(years) or (years.min() >= _USUAL_YEARS[0] and years.max() <= _USUAL_YEARS[1]):
        return []
    return [f"years go from {years.min()} to {years.max()}, as written: are they of another calendar?"]


def _unread(rows: int) -> Reading:
    return Reading("ymd", pd.DatetimeIndex([pd.NaT] * rows))


def _typed(cells: pd.Series) -> Reading:
    """The dates of a binary table; of those with a zone the days where all are midnights there, else UTC."""
    dates = pd.DatetimeIndex(cells)
    if dates.tz is None:
        return Reading("ymd", dates)
    local = dates.tz_localize(None)
    if (local == local.normalize()).all():
        return Reading("ymd", local, notes=(f"midnights in the zone {dates.tz} are read as days",))
    return Reading("ymd", dates.tz_convert("UTC").tz_localize(None), notes=("times are converted to UTC",))


def _codes(
    frame: pd.DataFrame, parsed: Parsed, gaps_are_filled: bool, codes_are_kept: bool, keeping: str
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The frame without values that look like "no reading", or with them where they are kept; problems, which end
    in ``keeping``; notes."""
    if codes_are_kept:
        return frame, [], []
    problems, notes, emptied = [], [], frame.copy(deep=False)
    for name, codes in find_codes(frame).items():
        values = frame[name].copy()
        for code, rows in codes.items():
            values.iloc[rows] = np.nan
            if gaps_are_filled:
                notes.append(f"column {quoted(name)}: {len(rows)} readings of {code:.10g} are taken as missing")
                continue
            problems.append(
                f"{parsed.place} {parsed.lines[rows[0]]}, column {quoted(name)}: {code:.10g}{more(len(rows) - 1)} "
                f"looks like 'no reading'; missing: interpolate takes it as missing and fills it in{keeping}"
            )
        emptied[name] = values
    return emptied, problems, notes


def _made_up(frame: pd.DataFrame, order: Ordered) -> list[str]:
    """A problem for each column of which more would be filled in than MADE_UP."""
    whole = len(frame) + order.absent
    empty = (frame.isna().sum() + order.absent) / whole
    if order.absent > MADE_UP * whole:
        return []  # said of the times already
    return [
        f"column {quoted(name)}: {share:.0%} of its values would be filled in, at most {MADE_UP:.1%} may be; remove "
        "it, or cut the file where it has none"
        for name, share in empty[empty > MADE_UP].items()
        if frame[name].notna().any()
    ]
