"""The column of dates of a user's own file: how it is read, and what is wrong with it before its order is looked at."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tsprune.data.advice import date_advice
from tsprune.data.dates import DISPUTED, ORDERS, TWO_DIGITS, Reading, read_dates
from tsprune.data.order import MADE_UP, choose_reading, newest_first, whole_periods
from tsprune.data.parsing import Parsed
from tsprune.data.timesteps import DAY
from tsprune.shown import more, quoted

_MOST_OF_A_CENTURY = 80
"""Years."""
_USUAL_YEARS = (1600, 2300)
"""Of measurements and scenarios."""
_LEAP_YEAR = 2000
"""One that has every day of the calendar."""
_SOME = 200
"""Rows, spread over the file, that tell whether a column holds dates."""
_LEAST_DATE = 10_000
"""As spreadsheets count days this is of 1927; below are years, months, days and hours, which may be of use."""


def dates_of(parsed: Parsed, date_order: str | None, time_step: str | None) -> tuple[Reading, list[str], bool]:
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


def year_problems(parsed: Parsed, reading: Reading, date_order: str | None) -> list[str]:
    """A problem where nothing tells which years are meant. Whatever else is wrong with the order of the dates comes of
    it."""
    found = _century(parsed, reading) or _no_count(parsed, reading)
    return found or (_yearless(parsed, reading) if date_order is None else [])


def _century(parsed: Parsed, reading: Reading) -> list[str]:
    """A problem where nothing tells the century of years of two digits: all are of one to some programs and of another
    to others, or they fall back by most of a century, as from 68 to 69."""
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
    (2501010030): true counts hardly ever all end like an hour and a minute."""
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


def dates_again(frame: pd.DataFrame, parsed: Parsed, reading: Reading) -> dict[str, str]:
    """A problem for each column of numbers, by its name, that holds the dates once more (20200131, 1580428800, 43861,
    2020.083): what is no more than a day, or a step, from the date of its row in every one of some rows."""
    rows = np.unique(np.linspace(0, len(frame) - 1, _SOME).astype(int)) if len(frame) else np.array([], dtype=int)
    rows = rows[reading.dates[rows].notna()]
    if len(rows) < 3:
        return {}
    dates = reading.dates[rows]
    reach = max(DAY, pd.Series(reading.dates).diff().median())
    years = (dates.year + (dates.day_of_year - 1) / 365.25).to_numpy()
    problems = {}
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
            cell = _written(values[0])
            problems[name] = f"{where}: {cell} is the date once more; a second column of dates; remove it"
    return problems


def _written(value: float) -> str:
    return f"{value:.0f}" if value % 1 == 0 else f"{value:.12g}"


def far_years(dates: pd.DatetimeIndex) -> list[str]:
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
