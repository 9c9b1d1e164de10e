"""Which columns of a file hold its dates: one, or several of which each has a part."""

import re
from collections.abc import Sequence

import pandas as pd

from tsprune.data.dates import CLOCK, MONTHS, has_shape, is_number, read_dates
from tsprune.data.habits import as_read
from tsprune.errors import UserError, unknown
from tsprune.shown import listed, plain, quoted

DATE_NAMES = ("date", "datetime", "timestamp", "time", "ds", "start")
_PARTS = (  # names of columns that dates are put together from, the largest part first
    ("year", "yr", "yyyy", "jahr", "ann\u00e9e", "annee", "a\u00f1o", "ano", "anno"),
    ("month", "mo", "mm", "monat", "mois", "m\u00eas", "mes", "mese"),
    ("day", "dy", "dd", "tag", "jour", "d\u00eda", "dia", "giorno"),
    ("hour", "hr", "stunde", "heure", "hora", "ora"),
    ("minute",),
    ("second",),
)
_CLOCKS = ("time", "uhrzeit", "zeit", "hh")
"""Names of columns of whole clocks, or of hours."""
_QUARTERS = ("quarter", "qtr", "quartal", "trimestre", "trimester", "period")
_DAYS_OF_YEAR = ("doy", "day_of_year", "dayofyear", "day of year", "yday", "yearday", "jday", "julian_day")

_POINTED = r"(?:[01]\d|2[0-4])\.[0-5]\d(?:\.[0-5]\d)?"  # 18.00.00
_PACKED_CLOCKS = (r"(?:[01]\d|2[0-4])[0-5]\d", r"(?:[01]\d|2[0-4])[0-5]\d[0-5]\d")  # 1230, 123000
_OF_YEAR = re.compile(r"\d{4}[-/]?\d{3}")  # 2020-366; and many a number of an item


def find_date_column(sample: pd.DataFrame, given: str | None = None) -> str:
    """The name of the column of dates, judged by its first cells (text, or dates as a binary table holds them).

    The one ``given``; else the first with a usual name (DATE_NAMES) that reads as dates, text before numbers; else the
    first column of text that does, or of numbers where they are 8 to 14 digits long (20201231); else the first with a
    usual name. Raises UserError if there is none.
    """
    if given is not None:
        if given not in sample:
            raise UserError(unknown("date column", given, map(plain, sample.columns)))
        return given
    usual = [name for name in sample if name.lower() in DATE_NAMES]
    words_first = sorted(sample.columns, key=lambda name: _all_numbers(sample[name]))
    order = dict.fromkeys((*(name for name in words_first if name in usual), *words_first))
    found = (name for name in order if _reads_as_dates(sample[name], unnamed=name not in usual))
    if first := next(found, None):
        again = len(sample) > 2 and sample[first].nunique() < 2  # when all was published
        return next((name for name in found if sample[name].nunique() > 1), first) if again else first
    if usual:
        return usual[0]
    values = any(is_number(name.replace(",", ".")) for name in sample)
    advice = "; if these are values, put a line of column names above them" if values else ""
    across = sum(has_shape(name) or as_read(name.lower()[:3]) in MONTHS for name in sample)
    if across > 2 and 2 * across > len(sample.columns):
        advice = ", or, as the names are dates, turn the table: a row per time step, a column per series"
    raise UserError(
        f"no column of dates found; columns: {listed(list(sample.columns))}. Name it with date_column{advice}"
    )


def date_parts(sample: pd.DataFrame) -> tuple[str, ...]:
    """The columns that dates are put together from, judged by the first cells; () where one column holds them.

    Year and month, day, hour, minute, second, as far as they are there; year and quarter; year and day of the year,
    with what clock there is; or days that come again and again and a clock (12:30) or an hour (0 to 24) beside them, or
    the one of whole dates; or days and, in a column of such a name, the clock of each.
    Raises UserError where a year comes again and again and nothing tells what part of it is meant.
    """
    called = {name.lower().strip("<>"): name for name in reversed(sample.columns)}
    try:
        date = find_date_column(sample)
    except UserError:
        return _parts_of_year(sample, called)
    if not _reads_as_dates(sample[date], unnamed=False) and (parts := _parts_of_year(sample, called)):
        return parts  # it is called time, but holds the clock of days in other columns
    others = [name for name in sample if name != date]
    hours = {called[name] for name in (*_CLOCKS, *_PARTS[3]) if name in called}
    if not _days_again(sample[date]):
        clocks = (name for name in others if name in hours and not _all_numbers(sample[name]))
        clock = next((name for name in clocks if _tells_hours(sample[name], named=True)), None)
        return (date, clock) if clock and not sample[date].astype(str).str.contains(":").any() else ()
    if clock := next((name for name in others if _tells_hours(sample[name], name in hours)), None):
        alone = _whole(sample[clock].dropna()).str.fullmatch(r"\d{1,2}").all()
        return date, clock, *([called["minute"]] if alone and "minute" in called else [])
    texts = (name for name in others if not _all_numbers(sample[name]))
    whole = next((name for name in texts if _reads_as_dates(sample[name], unnamed=True)), None)
    return (whole,) if whole and sample.loc[sample[date].notna(), whole].is_unique else ()


def _parts_of_year(sample: pd.DataFrame, called: dict[str, str]) -> tuple[str, ...]:
    """The columns that follow a year in one of its own; () where there is none. ``called``: names by what is known."""

    def named(names: Sequence[str]) -> str | None:
        return next((called[name] for name in names if name in called), None)

    year, month, day, *clock = map(named, _PARTS)
    if year is None:
        return ()
    if month and month.lower() == "mm" and not (day and day.lower() == "dd"):
        month = None  # of rain
    clock[0] = clock[0] or named(_CLOCKS)
    if clock[0] and not _tells_hours(sample[clock[0]], named=True):
        clock = [None]  # a heart rate, it may be
    clock = clock[: clock.index(None)] if None in clock else clock
    if month:
        return (year, month, day, *clock) if day else (year, month)
    if day_of_year := named(_DAYS_OF_YEAR):
        return (year, day_of_year, *clock)
    quarter = named(_QUARTERS)
    cells = _whole(sample[quarter].dropna()) if quarter else []
    if len(cells) and cells.str.fullmatch("[1-4]|Q0?[1-4]|M[01][0-9]", case=False).all():
        return (year, quarter)
    if sum(as_read(name.lower()[:3]) in MONTHS for name in sample) > 1:
        return ()  # a year in a row, its months side by side
    if 2 * sample[year].duplicated().sum() > len(sample):
        raise UserError(
            f"column {quoted(year)} has one year on several rows; write the whole date in one column, like 2020-05, "
            "2020Q2 or 2020-W05, and each series in a column of its own"
        )
    return (year,)


def _whole(cells: pd.Series) -> pd.Series:
    """Cells as text, whole numbers that were floats once without their decimals."""
    return cells.astype(str).str.strip().str.removesuffix(".0")


def _with_zeros(texts: pd.Series) -> pd.Series:
    """Hours (5), or hours with minutes (530) and seconds, with the zeros in front that numbers lose."""
    digits = texts.str.isdigit()
    longest = int(texts[digits].str.len().max()) if digits.any() else 0
    return texts.where(~digits, texts.str.zfill(longest + longest % 2))


def _tells_hours(cells: pd.Series, named: bool) -> bool:
    """Whether cells are times of day; of a column without a name of such ones with minutes (12:30)."""
    texts = _with_zeros(_whole(cells.dropna()))
    span = rf"{CLOCK} ?[-\u2013] ?{CLOCK}"
    ways = (CLOCK, span, _POINTED, *_PACKED_CLOCKS) if named else (rf"(?=.*:){CLOCK}", rf"(?=.*:.*:){span}")
    return bool(len(texts)) and any(texts.str.fullmatch(way, case=False).all() for way in ways)


def _days_again(cells: pd.Series) -> bool:
    """Whether dates stand on several rows and say no time of day but midnight."""
    cells = cells.dropna()
    if not cells.duplicated().any():
        return False
    if not pd.api.types.is_datetime64_any_dtype(cells):
        readings = read_dates(cells.astype(str))
        cells = readings[0].dates if readings else pd.DatetimeIndex([])
    dates = pd.DatetimeIndex(cells).dropna()
    return len(dates) > 0 and (dates == dates.normalize()).all()


def join_dates(parts: pd.DataFrame) -> pd.Series:
    """The text of dates that stand in the columns of :func:`date_parts`."""
    texts = parts.apply(_whole)
    first, *others = (texts[name] for name in texts)
    called = [name.lower() for name in texts]
    if called[0] not in _PARTS[0]:
        first, clock = first.str.removesuffix(" 00:00:00"), others
    elif called[1:] and called[1] in _DAYS_OF_YEAR:
        first, clock = first + "-" + others[0].str.zfill(3), others[1:]
    elif called[1:] and called[1] in _QUARTERS:
        return first + others[0].str.replace(r"^Q?0?(?=[1-4]$)", "Q", regex=True, case=False)
    else:
        first, clock = first.str.cat(others[:2], sep="-"), others[2:]
    if not clock:
        return first
    hour, *rest = map(_with_zeros, clock)
    hour = hour.str.replace(r"^(\d\d)\.?(\d\d)(?:\.?(\d\d))?$", _with_colons, regex=True)
    hour = hour.str.replace(r"^(\d+:\d\d) ?[-\u2013] ?(\d+:\d\d)$", r"\1 - \2", regex=True)  # read as other spans
    hour = hour.where(~hour.str.isdigit() | bool(rest), hour + ":00")
    return first + " " + hour.str.cat(rest, sep=":")


def _with_colons(packed: re.Match) -> str:
    return ":".join(filter(None, packed.groups()))


def _all_numbers(cells: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(cells) or all(is_number(str(text)) for text in cells.dropna())


def _reads_as_dates(cells: pd.Series, unnamed: bool) -> bool:
    """Whether at least half of the cells are dates; of a column without a usual name, more than mere numbers."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        return True
    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_integer_dtype(cells):
        return False
    texts = cells.dropna().astype(str).tolist()
    if unnamed and not all(len(text) in (8, 10, 12, 14) for text in texts if is_number(text)):
        return False
    if unnamed and all(_OF_YEAR.fullmatch(text) for text in texts):
        return False
    readings = [reading for reading in read_dates(texts) if reading.order not in ("unix", "excel")]
    return bool(readings) and 2 * readings[0].unread <= len(texts)
