"""Guesses what a cell that is not a date was meant to be, and says how to write it."""

import re

from tsprune.data.dates import has_shape, is_number, looks_like_date
from tsprune.data.habits import as_read, names_month
from tsprune.shown import quoted

_LIKE = "write dates like 2020-12-31 23:00"
_QUARTER = r"(q|qtr|quarter|quartal|kvartal|k|trim\w*|t)"
_WEEK = r"(week|woche|uge|wk|KW|CW|W)"
_MEANT = {
    r"FY ?'?\d{2}|(FY ?)?[12]\d{3}([-/\u2013]\d{1,4}|s|\.0+)?": (
        "write years as the day they begin with, like 2020-01-01 or 2020-04-01, and weeks like 2020-W05"
    ),
    r"[12]\d{3}(1[3-9]|[2-4]\d|5[0-3])|(1[3-9]|[2-4]\d|5[0-3])[-/.](19|20)\d{2}": "write weeks like 2020-W05",
    r"[12]\d{3}( ?[:.] ?[1-4]|\W+(I{1,3}|IV))|([1-4]|I{1,3}|IV)\W*[12]\d{3}": (
        "write quarters like 2020Q1, and months like 2020-05"
    ),
    rf"(FY ?'?)?[12]\d{{3}}( ?[:.] ?[1-4]|\W*{_QUARTER}\W*0?[1-4]|\W*[1-4]\W*{_QUARTER}|\W+(I{{1,3}}|IV))"
    rf"|FY ?'?(\d{{2}}|\d{{4}})[-/ ]?Q[1-4]|Q[1-4] ?FY ?'?(\d{{2}}|\d{{4}})|{_QUARTER}\W*[1-4]\W*[12]\d{{3}}"
    rf"|([1-4]|I{{1,3}}|IV)(er|e|st|nd|rd|th)?\W*{_QUARTER}?\W*[12]\d{{3}}": "write quarters like 2020Q1",
    rf"{_WEEK}\W*\d{{1,2}}\W*[12]\d{{3}}|[12]\d{{3}}\W*{_WEEK}\W*\d{{1,2}}|\d{{1,2}}\W*{_WEEK}\W*[12]\d{{3}}": (
        "write weeks like 2020-W05"
    ),
    r".*\d:\d{2}.*( [A-Z]{1,2}[SD]?T|(UTC|GMT)[+-].*|\[.+/.+\])": (
        "time zone names are not read; write offsets like 2020-12-31 23:00+01:00"
    ),
}
_WORD = re.compile(r"[^\W\d_]{2,}")


def date_advice(text: str, column: str, *, first: bool, last: bool, every: bool) -> str:
    """What helps where ``text``, the first cell of the ``column`` of dates that is none, stands: in the ``first`` rows
    and no others, in the ``last`` ones and no others, in ``every`` one."""
    if text.startswith(("#", "//")):
        return "is the line a comment? Remove it"
    if text == column:
        return "are these the column names again? Remove the line"
    if first and sum(sign.isdigit() for sign in text) < 3:  # 20d, as files of the USGS have it, is no date
        return "is it a second line of names, or one of units? Remove it"
    words = [] if has_shape(text) else _WORD.findall(as_read(text))
    if last and (words or not any(sign.isdigit() for sign in text)):
        return "does the file end with a sum or a comment? Remove it"
    for pattern, advice in _MEANT.items():
        if re.fullmatch(pattern, text, re.IGNORECASE) and (every or not looks_like_date(text)):
            return advice
    if looks_like_date(text):
        return f"it is not written as others are; {_LIKE}, all in the same way"
    if every and is_number(text):
        return (
            "numbers are read as dates where they are like 20201231 or 202012312300, with four digits of the year in "
            f"front, or seconds (thousandths, ...) since 1970; {_LIKE}"
        )
    if has_shape(text):
        calendar = " (are its years of another calendar?)" if re.search(r"\b(1[34]|2[45])\d\d\b", text) else ""
        return f"there is no such day, time or offset, or it falls on another day of the week{calendar}"
    if beside := _beside(text):
        return f"{quoted(beside)} beside the date is not read; remove it"
    if (
        any(len(word) > 2 for word in words)
        and any(sign.isdigit() for sign in text)
        and not any(map(names_month, words))
    ):
        return f"month names are read in English and Western European languages; {_LIKE}"
    return _LIKE if every else f"{_LIKE}, all in the same way"


def _beside(text: str) -> str:
    """The word before or behind what is a date by itself, and no mere year; "" where there is none."""
    first, *others = text.split() or [""]
    *before, last = [first, *others]
    for word, date in ((first, " ".join(others)), (last, " ".join(before))):
        date = date.strip(",")
        if has_shape(date) and not (date.isdecimal() or word.isdecimal() or has_shape(word.strip(","))):
            return word
    return ""
