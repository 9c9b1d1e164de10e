"""Time steps: what pandas calls '15min', 'B' or 'MS', and what it cannot name: days of the month ('days 1,11,21') or of
the week ('days Mon,Tue,Sat')."""

import re

import numpy as np
import pandas as pd

from tsprune.errors import UserError
from tsprune.shown import quoted

DAY = pd.Timedelta("1D")
_BEGIN, _END = pd.Timestamp("2000-01-01"), pd.Timestamp("2100-01-01")  # the longest step lies between
_DAYS = re.compile(r"days? ((?:\d{1,2}|last)(?:,(?:\d{1,2}|last))*)(?: of months? (\d{1,2}(?:,\d{1,2})*))?")
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OF_WEEK = re.compile(rf"days ({'|'.join(_WEEKDAYS)})(,({'|'.join(_WEEKDAYS)}))+")
_LAST = 31  # later than the end of any month: cut to it
_SEASONS = {"D": 7, "24h": 7, "B": 5, "7D": 52, "168h": 52, "W": 52, "SMS": 24, "SME": 24}
_MONTHS = {"MS": 1, "ME": 1, "BMS": 1, "BME": 1, "QS": 3, "QE": 3, "BQS": 3, "BQE": 3}
_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def fixed_length(step: str) -> pd.Timedelta | None:
    """The length of a step that is always the same (15min, 7D), None of one that is not; UserError if it is no step."""
    if _DAYS.fullmatch(step) or _OF_WEEK.fullmatch(step):
        return None
    try:
        offset = pd.tseries.frequencies.to_offset(step)
    except ValueError:
        offset = None
    except OverflowError:
        raise UserError(_too_long(step)) from None
    if offset is None or offset.n < 1:
        raise UserError(
            f"time_step = {quoted(step)}: not a time step; write it like '15min', '1h', '1D', '7D', 'B', 'MS', "
            "'QS-JAN', 'days 1,15,last' or 'days Mon,Tue,Sat'"
        )
    try:
        within = _BEGIN + offset <= _END
    except (ValueError, OverflowError):  # what pandas says of dates out of its range
        within = False
    if not within:
        raise UserError(_too_long(step))
    if isinstance(offset, pd.offsets.Day):
        return offset.n * DAY
    return pd.Timedelta(offset) if isinstance(offset, pd.offsets.Tick) else None


def _too_long(step: str) -> str:
    return f"time_step = {quoted(step)}: too long; a time step has a hundred years at most"


def canonical(step: str) -> str:
    """One name for steps of one length ('60min' and 'h' are '1h'), others keep theirs; UserError if it is no step."""
    length = fixed_length(step)
    return step if length is None else _name(length)


def _name(length: pd.Timedelta) -> str:
    for unit in ("D", "h", "min", "s", "ms"):
        count, rest = divmod(length, pd.Timedelta(1, unit))
        if not rest:
            return f"{count}{unit}"
    return f"{length.value}ns"


def count_steps(first: pd.Timestamp, last: pd.Timestamp, step: str) -> int:
    """How many time stamps ``grid`` would give, without making them; give or take a few where steps differ in length.

    Seconds over centuries are 10^10 stamps: they are counted before they are asked for.
    """
    length = fixed_length(step)
    if length is not None:
        return int((last - first) // length) + 1
    if found := _days_of(step):
        days, months = found
        return int((last - first) / (365.25 * DAY) * len(days) * len(months)) + 2
    if weekdays := _weekdays_of(step):
        return int((last - first) / (7 * DAY) * len(weekdays)) + 2
    some = pd.date_range("2000-01-01", periods=9, freq=step)
    return int((last - first) / ((some[-1] - some[0]) / 8)) + 2


def grid(first: pd.Timestamp, last: pd.Timestamp, step: str) -> pd.DatetimeIndex:
    """Every time stamp from ``first`` to ``last``; where ``first`` is none itself, from the first one after it."""
    if weekdays := _weekdays_of(step):
        every = pd.date_range(first, last, freq="D")
        return every[every.day_of_week.isin(weekdays)]
    found = _days_of(step)
    if not found:
        return pd.date_range(first, last, freq=step)
    days, months = found
    of_day = first - first.normalize()
    begins = pd.date_range(first.normalize().replace(day=1), last, freq="MS")
    begins = begins[begins.month.isin(months)]
    stamps = [begins + pd.to_timedelta(np.minimum(day, begins.days_in_month) - 1, unit="D") + of_day for day in days]
    every = stamps[0].append(stamps[1:]).unique().sort_values()
    return every[(every >= first) & (every <= last)]


def following(last: pd.Timestamp, step: str, count: int) -> pd.DatetimeIndex:
    """The ``count`` time stamps after ``last``, which is one itself."""
    length = fixed_length(step)
    if length is not None:
        return pd.date_range(last + length, periods=count, freq=length)
    span = count * DAY
    while True:
        stamps = grid(last, last + span, step)
        stamps = stamps[stamps > last]
        if len(stamps) >= count:
            return stamps[:count]
        span *= 2


def detect_step(ordered: pd.DatetimeIndex) -> str:
    """The time step of at least three stamps, in order of time and each once.

    The most frequent difference between neighbours; but where every stamp fits business or other days of the week,
    half-months, ten-day series, months, quarters, half-years or years (first, last, first or last business, or the
    same days of each), that.
    """
    steps = pd.Series(ordered[1:] - ordered[:-1])
    step = steps.mode().iloc[0]
    of_day = ordered - ordered.normalize()
    if (of_day == of_day[0]).all():
        for candidate in _candidates(ordered, step):
            if ordered.isin(grid(ordered[0], ordered[-1], candidate)).all():
                return candidate
    return _name(step)


def season_of(step: str) -> int:
    """Steps after which a series may be expected to repeat: a day; for daily values a week, for slower ones a year; 1
    if none of these fits."""
    if weekdays := _weekdays_of(step):
        return len(weekdays)
    if found := _days_of(step):
        days, months = found
        return len(days) * len(months)
    length = fixed_length(step)
    if length is not None and length < DAY:
        return 1 if DAY % length else DAY // length
    offset = pd.tseries.frequencies.to_offset(step)
    name = offset.freqstr.split("-")[0]
    if name in _SEASONS:
        return _SEASONS[name]
    months = _MONTHS.get(name.lstrip("0123456789"), 12) * offset.n
    return 1 if 12 % months else 12 // months


def _candidates(ordered: pd.DatetimeIndex, step: pd.Timedelta) -> list[str]:
    """Names of calendar steps about as long as ``step``, the most usual first."""
    days = step / DAY
    if 1 <= days < 7 and (found := _of_the_week(ordered, daily=days == 1)) is not None:
        return found
    if days < 4:
        return []
    if days < 28:
        return _of_the_month(ordered, step)
    months = round(days / 30.44)
    return _of_months(ordered, months) if months and 0.9 < days / (30.44 * months) < 1.1 else []


def _of_the_week(ordered: pd.DatetimeIndex, daily: bool) -> list[str] | None:
    """Business days, or the same days of each week; None where neither fits, or too few weeks are there to tell it
    from gaps. Of ``daily`` values one day of the week, or two, on which nothing is ever open."""
    there = sorted(set(ordered.day_of_week))
    if daily and there[-1] < 5:
        over_weekends = int((ordered[-1] - ordered[0]) / DAY) > 4 - ordered[0].day_of_week
        return ["B"] if over_weekends else []
    if (5 if daily else 2) <= len(there) < 7 and ordered[-1] - ordered[0] > 28 * DAY:
        return [f"days {','.join(_WEEKDAYS[day] for day in there)}"]
    return None


def _of_the_month(ordered: pd.DatetimeIndex, step: pd.Timedelta) -> list[str]:
    """Two to seven days of every month; none for weeks and other steps of equal length."""
    if not ((ordered - ordered[0]) % step).any():
        return []
    number = ordered.day.to_numpy()
    last = number == ordered.days_in_month
    # A stamp at the end of a month stands for the last day, of whatever month; or for one that comes in longer months
    # too, as 28 and 30 do.
    ends = sorted({_LAST if end and day >= 28 else int(day) for day, end in zip(number, last, strict=True)})
    within = sorted(set(number[~last].tolist()))
    rules = (named for named in (within, ends) if 2 <= len(named) <= 7)
    return [_days_name(named) for named in rules if len(ordered) > 2 * len(named)]  # days that come once are none


def _of_months(ordered: pd.DatetimeIndex, months: int) -> list[str]:
    """Steps of so many months: their first, last, first and last business day, or the same day of each."""
    month = ordered[0].month - 1
    if months % 12 == 0:
        years, first = f"{months // 12}" if months > 12 else "", _NAMES[month]
        starts = f"{years}YS" if first == "JAN" else f"{years}YS-{first}"
        ends = f"{years}YE" if first == "DEC" else f"{years}YE-{first}"
        usual = [starts, ends, f"{years}BYS-{first}", f"{years}BYE-{first}"]
    elif months == 3:
        cycle, closing = _NAMES[month % 3], _NAMES[month % 3 + 9]
        usual = [f"QS-{cycle}", f"QE-{closing}", f"BQS-{cycle}", f"BQE-{closing}"]
    else:
        many = f"{months}" if months > 1 else ""
        usual = [f"{many}{name}" for name in ("MS", "ME", "BMS", "BME")]
    if months <= 12 and 12 % months == 0:
        every = sorted({(month + months * i) % 12 + 1 for i in range(12 // months)})
        usual.append(_days_name([int(ordered.day.max())], every if months > 1 else ()))
    return usual


def _days_name(days: list[int], months: list[int] | tuple = ()) -> str:
    named = ",".join("last" if day == _LAST else str(day) for day in days)
    of = f" of months {','.join(map(str, months))}" if months else ""
    return f"days {named}{of}"


def _weekdays_of(step: str) -> list[int]:
    """The days (0: Monday) that 'days Mon,Tue,Sat' names; none for another step."""
    return sorted({_WEEKDAYS.index(day) for day in step[5:].split(",")}) if _OF_WEEK.fullmatch(step) else []


def _days_of(step: str) -> tuple[list[int], list[int]] | None:
    """The days and months that 'days 1,11,21 of months 1,7' names; None for a step that pandas has a name for."""
    found = _DAYS.fullmatch(step)
    if not found:
        return None
    days = sorted({_LAST if day == "last" else int(day) for day in found[1].split(",")})
    months = sorted({int(month) for month in found[2].split(",")}) if found[2] else list(range(1, 13))
    if days[0] < 1 or days[-1] > 31 or months[0] < 1 or months[-1] > 12:
        raise UserError(f"time_step = {quoted(step)}: days go from 1 to 31 or 'last', months from 1 to 12")
    return days, months
