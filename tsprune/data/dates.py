"""Reading dates: every way a column of dates can be read, so that the right one can be told from the others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tsprune.data.habits import as_read, begin_of

ORDERS = {
    "ymd": "year, month, day",
    "dmy": "day, month, year",
    "mdy": "month, day, year",
    "ym": "year, month",
    "my": "month, year",
    "excel": "days as Excel counts them",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CENTURY = 69  # two digits from here on are of the 20th century, below of the 21st (POSIX strptime)
TWO_DIGITS = "years of two digits are read as 1969 to 2068"
PLAIN_YEARS = (1600, 2100)
"""Of measurements: what reads in these is no day of another year with something behind it."""
DISPUTED = (2030, 2068)  # of those the years that spreadsheets read as 1930 to 1968

_NAME = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY = r"(?:(mon|tues?|wed(?:nes)?|thur?s?|fri|sat(?:ur)?|sun)(?:day)?\.?,? +)?"
CLOCK = r"(\d{1,2})(?::(\d{2}))?(?::(\d{2})(?:[.,](\d{1,9}))?)? ?([ap]\.? ?m\.?)?"
_ZONE = r" ?(z|utc|gmt|[+-]\d{2}(?::?\d{2})?)?"
# A clock needs a colon, AM/PM or a T in front: '2020-01-01 5' is no time.
_TIME = rf"(?:(?:t(?=\d\d)|(?:t|,? +)(?=\d{{1,2}}(?::| ?[ap]))){CLOCK}{_ZONE})?"
_PACKED = r"[t _]?(\d{2})(?:(\d{2})(?:(\d{2})(?:[.,](\d{1,9}))?)?)?()(z|[+-]\d{4})?"


@dataclass(frozen=True)
class _Shape:
    """One way to write a date: what its (up to three) groups hold under each order that fits it."""

    pattern: re.Pattern
    orders: dict[str, str]
    """Order -> a letter per group: y year, m month, d day, q quarter, h half-year, w ISO week, k day of it, j day of
    the year."""


def _shape(date: str, time: str = _TIME, **orders: str) -> _Shape:
    return _Shape(re.compile(rf"{_WEEKDAY}{date}{time}", re.IGNORECASE | re.ASCII), orders)


_HOURLY = _shape(r"(\d{2})(\d{2})(\d{2})", time=r"(\d{2})()()()()()", dmy="dmy", mdy="mdy", ymd="ymd")  # 25013123
_SHAPES = (
    _shape(r"(\d{4})([-/ _]|\. ?)(\d{1,2})\3(\d{1,2})\.?", ymd="y-md"),
    _shape(r"(\d{4})-(\d{2})-(\d{2})", time=rf"[t ](\d{{2}})()()()(){_ZONE}", ymd="ymd"),
    _shape(r"(\d{1,2})([-/ _]|\. ?)(\d{1,2})\3(\d{4})\.?", dmy="d-my", mdy="m-dy"),
    _shape(r"(\d{1,2})([-/ ]|\. ?)(\d{1,2})\3(\d{2})", dmy="d-my", mdy="m-dy", ymd="y-md"),
    _shape(rf"(\d{{1,2}})(?:st|nd|rd|th)?[-/. ]*{_NAME}[-/., ]*(\d{{4}})", dmy="dmy"),
    _shape(rf"(\d{{1,2}})[-/. ]*{_NAME}[-/., ]*'?(\d{{2}})", dmy="dmy", ymd="ymd"),
    _shape(rf"{_NAME}[-/. ]*(\d{{1,2}})(?:st|nd|rd|th)?[-/., ]+'?(\d{{4}}|\d{{2}})", mdy="mdy"),
    _shape(rf"(\d{{4}})[-/. ]*{_NAME}[-/. ]*(\d{{1,2}})", ymd="ymd"),
    _shape(rf"{_NAME}[-/.,_ ]*'?(\d{{4}}|\d{{2}})", my="my"),
    _shape(rf"(\d{{4}}|\d{{2}})[-/._ ]*{_NAME}", ym="ym"),
    _shape(r"(\d{4})[-/_](\d{1,2})", ym="ym"),
    _shape(r"(\d{4})-?M(\d{1,2})", ym="ym"),
    _shape(r"(\d{1,2})[-/](\d{4})", my="my"),
    _shape(r"(\d{2})\.((?:19|20)\d{2})", my="my"),  # with other years it would be a number
    _shape(r"(\d{4}|\d{2})[-/:._ ]?Q([1-4])", quarter="yq"),
    _shape(r"Q([1-4])(?:[-/:._ ]| of )?'?(\d{4}|\d{2})", quarter="qy"),
    _shape(r"([1-4])Q[-/:._ ]?'?(\d{4}|\d{2})", quarter="qy"),
    _shape(r"(\d{4})[-/:._ ]?[HS]([12])", half="yh"),
    _shape(r"[HS]([12])(?:[-/:._ ]?(?=\d{4})|[-/:._ ']+)(\d{4}|\d{2})", half="hy"),  # S101 is the name of something
    _shape(r"([12])H[-/:._ ]?'?(\d{4}|\d{2})", half="hy"),
    _shape(r"(\d{4})[-/ ]?W(\d{1,2})", week="yw"),
    _shape(r"[CK]?W ?(\d{1,2})[-/ ](\d{4})", week="wy"),
    _shape(r"(\d{4})-?W(\d{2})-?([1-7])", ymd="ywk"),
    _shape(r"((?:19|20)\d{2})[-/]?(\d{3})", ymd="yj"),
    _shape(r"(\d{4})(\d{2})(\d{2})", ymd="ymd"),
    _shape(r"(\d{2})(\d{2})(\d{4})", dmy="dmy", mdy="mdy"),
    _shape(r"(\d{4})(\d{2})(\d{2})", time=_PACKED, ymd="ymd"),
    _HOURLY,
    _shape(r"((?:1[3-9]|2\d)\d{2})(\d{2})", ym="ym"),
    _shape(r"(\d{2})((?:19|20)\d{2})", my="my"),
    _shape(r"((?:1[6-9]|2[01])\d{2})", year="y"),
    _shape(r"(\d{2})(\d{2})(\d{2})", dmy="dmy", mdy="mdy", ymd="ymd"),
)
_Texts = tuple[str | None, ...]  # a group of a pattern, row by row
_WEST, _EAST = -12 * 60, 14 * 60  # minutes from UTC
_UNIX = {  # digits of times since 1970, of this century or a little more
    "s": (re.compile(r"(\d{9,10})(?:\.(\d+))?"), "seconds"),
    "ms": (re.compile(r"([5-9]\d{11}|\d{13})()(?:\.0+)?"), "milliseconds"),
    "us": (re.compile(r"([5-9]\d{14}|\d{16})()(?:\.0+)?"), "microseconds"),
    "ns": (re.compile(r"([5-9]\d{17}|\d{19})()(?:\.0+)?"), "nanoseconds"),
}
_EXCEL = re.compile(r"[1-6]\d{4}(?:\.\d+)?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]|$)")


@dataclass(frozen=True)
class Reading:
    """One way to read a column. ``dates`` (rows,) has no zone and is NaT where a cell cannot be read so.

    ``order`` is a key of ORDERS, 'year', 'quarter', 'half', 'week' or 'unix'. ``local``: clocks as written where all
    have an offset from UTC; None where none has one. ``notes`` say how it was read where that is not plain.
    """

    order: str
    dates: pd.DatetimeIndex
    local: bool | None = None
    notes: tuple[str, ...] = ()

    @property
    def unread(self) -> int:
        """How many cells cannot be read so."""
        return int(self.dates.isna().sum())

    @property
    def is_far(self) -> bool:
        """Whether a year is out of PLAIN_YEARS."""
        years = self.dates.year  # NaN where there is no date
        return bool(((years < PLAIN_YEARS[0]) | (years > PLAIN_YEARS[1])).any())


def read_dates(cells: Sequence[str] | pd.Series) -> list[Reading]:
    """Every way to read a column of dates, the most complete first; [] where no cell looks like one.

    All cells must be written the same way (the time may be left out at midnight), in English or by the habits of
    :func:`as_read`; of a span of time the begin counts. Numbers without another reading may be seconds and the like
    since 1970, or days as Excel counts them, which other programs count from elsewhere. Day, month and year come in
    each order that the way of writing leaves open. Times that carry an offset are read in UTC and as written; where all
    of these are midnight only as written, as the offset then says nothing but where the day was counted. Two-digit
    years are 1969 to 2068.
    """
    cells = pd.Series(cells, dtype=str)
    if len(cells) and all(_ISO.match(text) for text in cells.iloc[:: max(1, len(cells) // 50)]):
        plain = _iso(cells)
        if plain is not None:
            return [Reading("ymd", plain)]
    texts = [" ".join(text.split()).removesuffix(".0") for text in cells]  # whole numbers that were floats once
    readings = _readings(texts)
    if not readings or readings[0].unread:
        begins = list(map(begin_of, texts))
        begins = [re.sub(r"^(\d{5}|\d{9,10}),(\d+)$", r"\1.\2", text) for text in begins]  # days, seconds
        spans = (
            ("of time spans, the start is read",)
            if any(len(one) < len(text) for one, text in zip(begins, texts, strict=True))
            else ()
        )
        numbered = sum(map(is_number, begins[:100])) > len(begins[:100]) / 2
        others = _numbered(begins) if numbered else _readings([as_read(text) for text in begins])
        if others and (not readings or others[0].unread < readings[0].unread):
            return [replace(reading, notes=(*reading.notes, *spans)) for reading in others]
    return readings


def _readings(texts: list[str]) -> list[Reading]:
    sample = texts[:: max(1, len(texts) // 200)]
    fits = [sum(shape.pattern.fullmatch(text) is not None for text in sample) for shape in _SHAPES]
    # Ways that fit equally well are all kept: '01022003' has its year in front or at the end.
    shapes = [shape for shape, fit in zip(_SHAPES, fits, strict=True) if fit and fit == max(fits)]
    readings = [reading for shape in shapes if shape is not _HOURLY for reading in _read(shape, texts)]
    if _HOURLY in shapes:
        # 20201231 has no hour, and one that never changes is rather the end of a year: 01012020, 02012020.
        days = {reading.order for reading in readings if not reading.unread and not reading.is_far}
        hourly = [] if "ymd" in days else _read(_HOURLY, texts)
        readings += [reading for reading in hourly if not days or len(np.unique(reading.dates.hour)) > 1]
    return sorted(readings, key=lambda reading: reading.unread)


def _numbered(texts: list[str]) -> list[Reading]:
    """Numbers that count time from a moment on."""
    readings = []
    for unit, (pattern, word) in _UNIX.items():
        found = [pattern.fullmatch(text) for text in texts] if any(map(pattern.fullmatch, texts[:100])) else []
        if any(found):
            whole = np.array([int(match[1]) for match in found if match]).astype(f"datetime64[{unit}]")
            below = np.array([int((match[2] or "")[:6].ljust(6, "0")) for match in found if match])
            rows = np.array([match is not None for match in found])
            note = f"numbers are read as {word} since 1970, in UTC"
            readings.append(Reading("unix", _spread(whole + below.astype("timedelta64[us]"), rows), None, (note,)))
    rows = np.array([_EXCEL.fullmatch(text) is not None for text in texts])
    if rows.any():
        seconds = np.array([round(float(text) * 86400) for text, one in zip(texts, rows, strict=True) if one])
        dates = np.datetime64("1899-12-30", "s") + seconds.astype("timedelta64[s]")
        note = "numbers are read as days as Excel counts them, to the second"
        readings.append(Reading("excel", _spread(dates, rows), None, (note,)))
    return sorted(readings, key=lambda reading: reading.unread)


def has_shape(text: str) -> bool:
    """Whether a cell is written as dates are, even if there is no such day."""
    text = begin_of(" ".join(text.split()))
    return any(shape.pattern.fullmatch(some) for some in (text, as_read(text)) for shape in _SHAPES)


def looks_like_date(text: str) -> bool:
    """Whether a single cell reads as a date, and not as a number too."""
    if is_number(text) or not has_shape(text):
        return False
    return any(reading.unread == 0 for reading in read_dates([text]))


def _iso(cells: pd.Series) -> pd.DatetimeIndex | None:
    """Plain year-month-day dates, by pandas' fast reader; None if any cell is not one, or has an offset. To pandas
    'now' and 'today' are dates too."""
    try:
        dates = pd.DatetimeIndex(pd.to_datetime(cells, format="ISO8601", errors="coerce"))
    except ValueError:  # offsets that differ
        return None
    return None if dates.tz is not None or dates.hasnans or cells.isin(["now", "today"]).any() else dates


def _read(shape: _Shape, texts: list[str]) -> list[Reading]:
    """The readings of one way of writing: one per order, two where clocks have offsets that differ or are not zero."""
    found = [shape.pattern.fullmatch(text) for text in texts]
    rows = np.array([match is not None for match in found])
    groups = list(zip(*(match.groups() for match in found if match), strict=True))
    weekday, parts, (hour, minute, second, fraction, half, zone) = groups[0], groups[1:-6], groups[-6:]
    clock, fits = _clock(hour, minute, second, fraction, half)
    offset, zoned, known = _offsets(zone)
    fits &= known
    if 2 * zoned.sum() < len(zoned):  # a few offsets among times that have none are what is wrong
        fits, zoned = fits & ~zoned, np.zeros_like(zoned)
    readings = []
    for order, roles in shape.orders.items():
        cells = {role: part for role, part in zip(roles, parts, strict=True) if role != "-"}
        if order == "ym" and _are_years(cells):
            continue
        days = _days(cells)
        days[~_fits_weekday(days, weekday)] = np.datetime64("NaT")
        written = days + clock
        written[~fits] = np.datetime64("NaT")
        if zoned.any():
            written[~zoned] = np.datetime64("NaT")
        notes = _notes(order, cells)
        if not zoned.any():
            readings.append(Reading(order, _spread(written, rows), None, notes))
            continue
        if (offset[zoned] != 0).any():
            kept = "offsets from UTC are ignored: days and times are read as written"
            readings.append(Reading(order, _spread(written, rows), True, (*notes, kept)))
        midnight = not (clock[zoned] % np.timedelta64(1, "D")).any()
        if not (midnight and readings):
            turned = (*notes, "times are converted to UTC")
            readings.append(Reading(order, _spread(written - offset, rows), False, turned))
    return readings


def _days(cells: dict[str, tuple[str, ...]]) -> np.ndarray:
    """Midnights (datetime64, NaT where there is no such day) of years, months and days given as text."""
    year = np.array([int(text) if len(text) > 2 else _full(int(text)) for text in cells["y"]])
    if "j" in cells:
        days = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + np.array(cells["j"], dtype=int) - 1
        return np.where(days.astype("datetime64[Y]").astype(int) + 1970 == year, days, np.datetime64("NaT")).astype(
            "datetime64[us]"
        )
    if "w" in cells:
        week = np.array(cells["w"], dtype=int)
        fourth = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]") + np.timedelta64(3, "D")
        monday = fourth - ((fourth.astype(int) + 3) % 7)  # ISO 8601: 4 January lies in the first week
        days = monday + 7 * (week - 1)
        thursday = (days + 3).astype("datetime64[Y]").astype(int) + 1970
        if "k" in cells:
            days = days + np.array(cells["k"], dtype=int) - 1
        return np.where((week > 0) & (thursday == year), days, np.datetime64("NaT")).astype("datetime64[us]")
    if "q" in cells:
        month = 3 * np.array(cells["q"], dtype=int) - 2
    elif set(cells) == {"y"}:
        month = np.ones(len(year), dtype=int)
    elif "h" in cells:
        month = 6 * np.array(cells["h"], dtype=int) - 5
    else:
        month = np.array([int(t) if t.isdigit() else MONTHS.index(t[:3].lower()) + 1 for t in cells["m"]])
    day = np.array(cells["d"], dtype=int) if "d" in cells else np.ones(len(year), dtype=int)
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    length = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(int)
    good = (month >= 1) & (month <= 12) & (day >= 1) & (day <= length) & (year >= 1000)
    return np.where(good, months.astype("datetime64[D]") + (day - 1), np.datetime64("NaT")).astype("datetime64[us]")


def _full(year: int) -> int:
    return year + (1900 if year >= _CENTURY else 2000)


def _are_years(cells: dict[str, tuple[str, ...]]) -> bool:
    """Whether what looks like year and month is in every row a year and the next ('2001-02', '2002-03'): a series of
    months does not go on by thirteen, one of school or fiscal years does."""
    pairs = zip(cells["y"], cells["m"], strict=True)
    return len(cells["y"]) > 1 and all(m.isdigit() and (int(y) + 1) % 100 == int(m) for y, m in pairs)


def _fits_weekday(days: np.ndarray, weekday: _Texts) -> np.ndarray:
    """Where the day of the week that is written beside a date is that of the date, or none is written."""
    number = (days.astype("datetime64[D]").astype(int) + 3) % 7
    named = np.array([_WEEKDAYS.index(text[:3].lower()) if text else -1 for text in weekday])
    return (named < 0) | (named == number)


def _clock(
    hour: _Texts, minute: _Texts, second: _Texts, fraction: _Texts, half: _Texts
) -> tuple[np.ndarray, np.ndarray]:
    """Times of day (timedelta64; 24:00 is the midnight after) and whether each is one."""
    h, m, s = (np.array([int(text) if text else 0 for text in part]) for part in (hour, minute, second))
    nano = any(text and len(text) > 6 for text in fraction)
    below = np.array([int(text.ljust(9 if nano else 6, "0")) if text else 0 for text in fraction])
    if any(half):
        after = np.array([bool(text) and text[0] in "pP" for text in half])
        named = np.array([bool(text) for text in half])
        good = ~named | ((h >= 1) & (h <= 12)) | (after & (h <= 23) & (h > 12))  # '13:00 PM' says the same twice
        h = np.where(named & (h <= 12), h % 12 + 12 * after, h)
    else:
        good = np.ones(len(h), dtype=bool)
    good &= ((h < 24) | ((h == 24) & (m == 0) & (s == 0) & (below == 0))) & (m < 60) & (s < 60)
    seconds = (h * 3600 + m * 60 + s).astype("timedelta64[s]")
    return seconds + below.astype("timedelta64[ns]" if nano else "timedelta64[us]"), good


def _offsets(zone: _Texts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets from UTC (timedelta64; zero where there is none), where there is one, and where none is written that no
    place on earth has: '-13:00' behind a time is the end of an hour, or a slip."""

    def minutes(text: str | None) -> int:
        if not text or text[0] not in "+-":
            return 0
        digits = text[1:].replace(":", "").ljust(4, "0")
        if int(digits[2:]) > 59:
            return _WEST - 1
        return (int(digits[:2]) * 60 + int(digits[2:])) * (-1 if text[0] == "-" else 1)

    told = {text: minutes(text) for text in set(zone)}  # a file has few
    written = np.array([told[text] for text in zone])
    known = (written >= _WEST) & (written <= _EAST)
    return written.astype("timedelta64[m]"), np.array([bool(text) for text in zone]), known


def _notes(order: str, cells: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    notes = []
    if order in ("dmy", "mdy") and cells["m"][0].isdigit():
        first, second = ("day", "month") if order == "dmy" else ("month", "day")
        notes.append(f"dates are read with the {first} before the {second}")
    if len(cells["y"][0]) == 2:
        notes.append(TWO_DIGITS)
    if "j" in cells:
        notes.append("dates are read as the year and the day of the year")
    if order in ("year", "quarter", "half", "week"):
        what = {"year": "years", "quarter": "quarters", "half": "half-years", "week": "weeks (ISO 8601)"}[order]
        notes.append(f"{what} are read as their first day")
    return tuple(notes)


def _spread(dates: np.ndarray, rows: np.ndarray) -> pd.DatetimeIndex:
    """``dates`` on the rows that have one, NaT on the others."""
    every = np.full(len(rows), np.datetime64("NaT"), dtype=dates.dtype)
    every[rows] = dates
    return pd.DatetimeIndex(every)


def is_number(text: str) -> bool:
    """Whether a cell reads as a number; not 2020_01, which is one to Python alone."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
