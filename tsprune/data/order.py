"""The order of dates: which reading of them gives an even series, and what is doubled, late, absent or off the grid."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tsprune.data.dates import ORDERS, Reading
from tsprune.data.timesteps import DAY, canonical, count_steps, detect_step, fixed_length, grid
from tsprune.errors import UserError, unknown
from tsprune.shown import more, quoted, shown_date, shown_dates

MADE_UP = 1 / 8
"""The largest share of times, and of the values of a column, that may be filled in: less than a day of the week."""
_TOO_MANY = 20  # a grid of so many times as many stamps as rows is never made: a date must be wrong
_ENOUGH = 12  # rows from which on one per period is a rule and no chance
_PERIODS = {"week": ("W", "2020-W05"), "month": ("M", "2020-05"), "quarter": ("Q", "2020Q2")}
_HOUR = pd.Timedelta("1h")
_CLOCKS_CHANGE = (3, 4, 9, 10, 11)  # months, north and south of the equator


@dataclass(frozen=True)
class Ordered:
    """The time axis of a table: its step, every time stamp there should be, and how many of these are missing.

    If ``problems`` says what is wrong, ``grid`` holds only the stamps that are there.
    """

    step: str
    grid: pd.DatetimeIndex
    absent: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def choose_reading(
    readings: list[Reading], example: str, date_order: str | None = None, time_step: str | None = None
) -> Reading:
    """The reading of the dates that gives an even series (in order, each time once, none absent or off the grid).

    One that is even, or else one where faults are few, is taken if there is no other; of times with an offset from UTC
    the one in UTC unless only the times as written are even. ``date_order`` leaves only readings of that order. Raises
    UserError if several readings are left, naming each, or none; and for numbers of days unless 'excel' is asked for.
    """
    if date_order is not None:
        if date_order not in ORDERS:
            raise UserError(unknown("date_order", date_order, ORDERS))
        found = [reading for reading in readings if reading.order == date_order]
        if not found:
            raise UserError(
                f"date_order = '{date_order}' ({ORDERS[date_order]}): dates like {quoted(example)} do not fit it"
            )
        readings = found
    elif readings[0].order == "excel":
        raise UserError(
            f"dates like {quoted(example)} may be Excel's day numbers, or count from another day; if they "
            "are Excel's, choose date_order='excel', else write dates like 2020-12-31 23:00"
        )
    readings = _one_per_order(readings, time_step)
    whole = [reading for reading in readings if reading.unread == 0]
    if len(whole) < 2:
        return (whole or readings)[0]
    faults = [_faults(reading.dates, time_step) for reading in whole]
    if min(faults) > len(whole[0].dates) * MADE_UP:
        # Wrong whichever it is. Days on several rows each are rather close together than one of each year.
        ranked = sorted(zip(faults, whole, strict=True), key=lambda pair: (pair[0], pair[1].is_far, _span(pair[1])))
        return ranked[0][1]
    allowed = 0 if 0 in faults else len(whole[0].dates) * MADE_UP
    fitting = [reading for reading, count in zip(whole, faults, strict=True) if count <= allowed]
    fitting = [reading for reading in fitting if not reading.is_far] or fitting  # 250101 is no month of 2501
    if len(fitting) == 1:
        return fitting[0]
    spans = [" to ".join(shown_dates(reading.dates, [0, -1])) for reading in fitting]
    ways = " or ".join(f"{ORDERS[reading.order]} ({span})" for reading, span in zip(fitting, spans, strict=True))
    raise UserError(
        f"dates like {quoted(example)} can be read as {ways}, and {'both' if len(fitting) == 2 else 'all'} fit; "
        f"choose with {' or '.join(f'date_order={reading.order!r}' for reading in fitting)}"
    )


def newest_first(readings: list[Reading]) -> bool:
    """Whether the rows go back in time, each of them, in a way to read the dates, and forward in none."""
    ways = [reading.dates for reading in readings if not reading.unread]
    return any(dates.is_monotonic_decreasing for dates in ways) and not any(
        dates.is_monotonic_increasing for dates in ways
    )


def _one_per_order(readings: list[Reading], time_step: str | None) -> list[Reading]:
    """Of readings in UTC and as written the better one, of others of one order that of more usual years (a year of four
    digits, or one of two and an hour); of readings that come to the same dates the first."""
    kept: list[Reading] = []
    for order in dict.fromkeys(reading.order for reading in readings):
        some = sorted((reading for reading in readings if reading.order == order), key=lambda r: bool(r.local))
        best = min(some, key=lambda r: (r.unread, _faults(r.dates, time_step), r.is_far)) if len(some) > 1 else some[0]
        if not any(best.dates.equals(other.dates) for other in kept):
            kept.append(best)
    return sorted(kept, key=lambda reading: reading.unread)


def _span(reading: Reading) -> pd.Timedelta:
    return reading.dates.max() - reading.dates.min()


def _faults(dates: pd.DatetimeIndex, time_step: str | None) -> int:
    """How many stamps stand twice, late, off the grid or nowhere."""
    dates = dates[dates.notna()]
    ordered = dates.unique().sort_values()
    if len(ordered) < 3:
        return len(dates) - len(ordered)
    off, absent, _ = _against_grid(ordered, time_step or detect_step(ordered))
    return len(dates) - len(ordered) + int((dates[1:] < dates[:-1]).sum()) + len(off) + absent


def _against_grid(ordered: pd.DatetimeIndex, step: str) -> tuple[pd.DatetimeIndex, int, pd.Timestamp | None]:
    """Stamps off the grid of ``step``, how many of the grid are absent, and the first of these; makes no long grid."""
    length = fixed_length(step)
    if length is None:
        stamps = grid(ordered[0], ordered[-1], step) if not _is_endless(ordered, step) else ordered
        off, absent = ordered[~ordered.isin(stamps)], stamps.difference(ordered)
        return off, len(absent), absent[0] if len(absent) else None
    on = ((ordered - ordered[0]) % length) == pd.Timedelta(0)
    kept = ordered[on]
    gaps = np.flatnonzero(kept[1:] - kept[:-1] != length)
    absent = count_steps(kept[0], kept[-1], step) - len(kept)
    return ordered[~on], absent, kept[gaps[0]] + length if len(gaps) else None


def _is_endless(ordered: pd.DatetimeIndex, step: str) -> bool:
    return count_steps(ordered[0], ordered[-1], step) > _TOO_MANY * len(ordered) + 1000


def check_order(
    dates: pd.DatetimeIndex, lines: np.ndarray, place: str, time_step: str | None, gaps_are_filled: bool
) -> Ordered:
    """Find every time that appears twice, comes before the one above it, is off the grid or is missing.

    ``dates`` (rows,) may hold NaT; ``lines`` and ``place`` name the rows. The step is found unless given. Where gaps
    are filled absent times are no problem, but more than MADE_UP of all are. Raises UserError if the step is none.
    """
    known = dates.notna()
    stamps, lines = dates[known], lines[known]
    problems, notes = _misplaced(stamps, lines, place), []
    ordered = stamps.unique().sort_values()
    if len(ordered) < 3:
        if known.all():
            problems.append(f"only {len(ordered)} different times; a series needs at least 3")
        return Ordered(time_step or "", ordered, 0, tuple(problems))
    step = canonical(time_step) if time_step else detect_step(ordered)
    if _is_endless(ordered, step):
        cause = "another time_step, or a wrong date?" if time_step else "a wrong date?"
        problems.append(f"{_jump(stamps, ordered, lines, place, step)}: {cause}")
        return Ordered(step, ordered, 0, tuple(problems))
    off, absent, first = _against_grid(ordered, step)
    few_unread = known.mean() >= 1 - MADE_UP  # where many dates cannot be read their gaps tell no step
    if len(off) and few_unread:
        line = lines[np.flatnonzero(stamps == off[0])[0]]
        beside = int(stamps.isin(off).sum()) - 1
        problems.append(
            f"{place} {line}: the time {shown_date(off[0], stamps)} is not a whole number of steps of {step} after "
            f"{shown_date(ordered[0], stamps)}"
            f"{more(beside)}; {_uneven(ordered)}"
        )
    elif absent and known.all():
        side = "above" if lines[0] > lines[-1] else "after"  # of a file whose newest row stands first
        after = f"{side} {place} {lines[np.flatnonzero(stamps < first)[-1]]}"
        found, note = _absent(ordered, absent, first, after, step, gaps_are_filled)
        problems += found
        notes += note
    stamps = ordered if problems else grid(ordered[0], ordered[-1], step)
    return Ordered(step, stamps, absent, tuple(problems), tuple(notes))


def _misplaced(stamps: pd.DatetimeIndex, lines: np.ndarray, place: str) -> list[str]:
    """The problems of times that stand twice, and of those that come before the one above them."""
    problems = []
    twice = np.flatnonzero(stamps.duplicated())
    autumn = _autumn(stamps, twice)
    if len(twice):
        time = stamps[twice[0]]
        first = np.flatnonzero(stamps == time)[0]
        problems.append(
            f"{place} {lines[twice[0]]}: the time {shown_date(time, stamps)} is already on {place} {lines[first]}"
            f"{more(len(twice) - 1)}; {autumn or _once(len(twice), len(stamps))}"
        )
    back = np.flatnonzero(stamps[1:] < stamps[:-1]) + 1
    if autumn:  # sorting would mix the two hours
        back = np.setdiff1d(back, twice)
    if len(back):
        i = back[0]
        late, above = shown_dates(stamps, [i, i - 1])
        problems.append(
            f"{place} {lines[i]}: the time {late} comes before that of the {place} above, {above}"
            f"{more(len(back) - 1)}; sort the rows by time"
        )
    return problems


def _jump(stamps: pd.DatetimeIndex, ordered: pd.DatetimeIndex, lines: np.ndarray, place: str, step: str) -> str:
    """The problem of a grid that is endless: a date far off."""
    jump = int(np.argmax(ordered[1:] - ordered[:-1]))
    line = lines[np.flatnonzero(stamps == ordered[jump + 1])[0]]
    before, after = shown_dates(ordered, [jump, jump + 1])
    return (
        f"{place} {line}: the time jumps from {before} to {after}; at a time step of {step} this makes "
        f"{count_steps(ordered[0], ordered[-1], step):,} times for {len(ordered):,} rows"
    )


def _uneven(ordered: pd.DatetimeIndex) -> str:
    """What to do about stamps off the grid: known are midnights whose zone has daylight saving, written in UTC, and one
    row for each week, month or quarter on whatever day of it (the last day of trading)."""
    clocks = np.unique((ordered - ordered.normalize()) // _HOUR)
    if len(clocks) == 2 and np.diff(clocks)[0] in (1, 23) and (ordered[1:] - ordered[:-1] > DAY / 2).all():
        return "midnights in a zone with daylight saving? Write only the days, like 2020-01-01"
    if found := _one_per_period(ordered):
        word = found[0]
        return f"every {word} has one row, so write the dates as {word}s, like {_PERIODS[word][1]}"
    return "give another time_step, or make the steps equal"


def _one_per_period(ordered: pd.DatetimeIndex) -> tuple[str, pd.PeriodIndex] | None:
    """The word for the period (week, month, quarter) of which each has one stamp, and the periods."""
    for word, (freq, _) in _PERIODS.items():
        periods = ordered.to_period(freq)
        if periods.is_unique and (np.diff(periods.asi8) == 1).all():
            return word, periods
    return None


def whole_periods(reading: Reading) -> Reading:
    """Where every week, month or quarter has one row, on days that no step reaches (the last day of trading), their
    first days; else the dates as they are."""
    dates = reading.dates
    if len(dates) < _ENOUGH or reading.unread or not dates.is_unique or not dates.is_monotonic_increasing:
        return reading
    step = detect_step(dates)
    days = dates.normalize()
    if _is_endless(dates, step) or not len(_against_grid(dates, step)[0]) or (dates - days != dates[0] - days[0]).any():
        return reading
    if not (found := _one_per_period(dates)):
        return reading
    word, periods = found
    note = f"every {word} has one row, on changing days: dates are read as {word}s, by their first day"
    return replace(reading, dates=periods.to_timestamp(), notes=(*reading.notes, note))


def _absent(
    ordered: pd.DatetimeIndex, absent: int, first: pd.Timestamp, after: str, step: str, gaps_are_filled: bool
) -> tuple[list[str], list[str]]:
    """The problems and notes that absent times make: too many, or some where none may be filled; the first of them
    comes ``after`` a line, in words."""
    share = absent / (absent + len(ordered))
    spring = _spring(ordered, step)
    if gaps_are_filled and share <= MADE_UP:
        return [], [f"{spring}; it is filled like any other gap"] if spring else []
    many = f" ({share:.0%} of all, more than the {MADE_UP:.1%} that may be filled in)" if share > MADE_UP else ""
    advice = (
        "; give the time_step of the rows that are there, or add the others"
        if many
        else ("; add the rows, or have gaps filled (missing: interpolate)")
    )
    weekend = _weekends(ordered, step) or _no_months(ordered, step) if many else ""
    return [
        f"{after}: the time {shown_date(first, ordered)} is missing at a time step of {step}{more(absent - 1)}"
        f"{many}{weekend}"
        f"{advice}{'; ' + spring + ', write the times in UTC or with their UTC offset' if spring else ''}"
    ], []


def _weekends(ordered: pd.DatetimeIndex, step: str) -> str:
    """A remark where whole days of the week are absent."""
    length = fixed_length(step)
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    missing = [name for number, name in enumerate(days) if not (ordered.day_of_week == number).any()]
    daily = length is not None and length <= pd.Timedelta("1D") and ordered[-1] - ordered[0] > pd.Timedelta("14D")
    return f", never a {' or '.join(missing)}" if missing and daily else ""


def _no_months(ordered: pd.DatetimeIndex, step: str) -> str:
    """A remark where what is read as months seems to be quarters (2020-1 to 2020-4) or half-years."""
    what = {4: "quarters? Write them like 2020Q1", 2: "half-years? Write them like 2020H1"}
    last = int(ordered.month.max())
    return f", never one after month {last} of a year ({what[last]})" if step == "MS" and last in what else ""


def _spring(ordered: pd.DatetimeIndex, step: str) -> str:
    """Where a gap looks like the hour that daylight saving skips: early on a Sunday, or a Friday as in Egypt, exactly
    an hour; "" if none."""
    length = fixed_length(step)
    if length is None or length > _HOUR:
        return ""
    gaps = ordered[:-1][(ordered[1:] - ordered[:-1]) == _HOUR + length] + length
    seen = gaps[gaps.day_of_week.isin((4, 6)) & (gaps.hour < 4) & gaps.month.isin(_CLOCKS_CHANGE)]
    return f"{seen[0]} looks like the hour that daylight saving skips in spring" if len(seen) else ""


def _once(twice: int, rows: int) -> str:
    """What to do about stamps that stand on several rows: as a rule where ``twice`` is much of all rows."""
    if 2 * twice < rows:
        return "keep one row per time"
    return (
        "keep one row per time: a time of day belongs in the column of dates, each series in a column of its own "
        "(as pandas' pivot does)"
    )


def _autumn(stamps: pd.DatetimeIndex, rows: np.ndarray) -> str:
    """What to do about the ``rows`` whose stamps stand twice as clocks are put back, within an hour of each other: ""
    where they do not look so."""
    twice = stamps[rows]
    late = abs(twice - stamps[rows - 1]) <= _HOUR
    seen = twice[late & (twice.day_of_week == 6) & (twice.hour < 4) & twice.month.isin(_CLOCKS_CHANGE)]
    if not len(seen) or len(seen) < len(twice):
        return ""
    return (
        "it looks like the hour that comes twice when daylight saving ends: write the times in UTC or with their UTC "
        "offset"
    )
