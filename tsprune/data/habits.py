"""Rewrites dates in other countries' notations into the one that :mod:`tsprune.data.dates` reads."""

import re
import unicodedata

_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Of Danish, Dutch, French, German, Italian, Norwegian, Portuguese, Spanish and Swedish, without accents. No name is of
# one month in one of these and of another in another; Croatian (lip, lis) and Polish ones would be.
_NAMES = (
    "januar janner januari janvier janv enero ene gennaio genn gen janeiro",
    "februar februari febr fevrier fevr fev febrero febbraio febbr fevereiro",
    "marz maerz mrz mars marzo marco maart mrt marts",
    "avril avr abril abr aprile",
    "mai maio mayo maggio magg mag mei maj",
    "juni juin junio giugno giu junho",
    "juli juillet juill juil julio luglio lugl lug julho",
    "august aout agosto ago augusti augustus",
    "septembre septiembre settembre setiembre sett set setembro",
    "oktober okt octobre octubre ottobre ott outubro out",
    "novembre noviembre novembro",
    "dezember dez decembre diciembre dicembre dic dezembro desember des",
)
_MONTHS = {name: month for month, names in zip(_ENGLISH, _NAMES, strict=True) for name in names.split()}


def _clock_of_file(found: re.Match) -> str:
    return f"{found[1].replace('_', '-')} {':'.join(filter(None, found.groups()[2:]))}"


def _with_colons(found: re.Match) -> str:
    return ":".join(filter(None, found.groups()))


_SIGNS = tuple(
    (re.compile(pattern, re.IGNORECASE), written)
    for pattern, written in (
        (r"(\d{4}) ?[\u5e74\ub144] ?(\d{1,2}) ?[\u6708\uc6d4] ?(\d{1,2}) ?[\u65e5\uc77c]", r"\1-\2-\3"),  # of East Asia
        (r"(\d{4}) ?[\u5e74\ub144] ?(\d{1,2}) ?[\u6708\uc6d4]", r"\1-\2"),
        (r"(\d{1,2})er (?=[a-z])", r"\1 "),  # 1er janvier
        (r" (uhr|hrs?)$", ""),
        (r"(?:\u4e0a\u5348|\uc624\uc804) ?(\d{1,2}:\d{2}(?::\d{2})?)", r"\1 AM"),  # Chinese, Korean
        (r"(?:\u4e0b\u5348|\uc624\ud6c4) ?(\d{1,2}:\d{2}(?::\d{2})?)", r"\1 PM"),
        (r"(\d:\d{2}:\d{2}):(?=\d{3}(?:\d{3})?$)", r"\1."),  # thousandths of loggers: 05:30:00:250
        (r" (?:at|um|a|kl\.?) (?=\d{1,2}[:. ])", " "),  # 1 May 2020 at 5:00
        (r"^([a-z]{3} [a-z]{3} \d{1,2}) (\d{2}:\d{2}:\d{2})( utc| gmt)? (\d{4})$", r"\1 \4 \2\3"),  # as C and Unix do
        (r"^(\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]m)?),? (.*\d.*)$", r"\2 \1"),  # the clock before the day
        # In names of files, of cameras, and where a clock is joined by a dash; an hour alone needs two digits.
        (r"^(\d{4}([-_])\d{2}\2\d{2})[-_ ](\d{2})[-_](\d{2})(?:[-_](\d{2}))?$", _clock_of_file),
        (r"^(\d{4}):(\d{2}):(\d{2})(?= \d{1,2}:)", r"\1-\2-\3"),
        (r"^(\d{1,2}/\d{1,2}/\d{4})-(?=\d{1,2}:\d{2})", r"\1 "),
        (r"^(\d{4}([/.])\d{1,2}\2\d{1,2}|\d{1,2}([/.-])\d{1,2}\3\d{4}) (\d{2})$", r"\1 \4:00"),
        (r"^(\d{1,2}[-/. ]*[a-z]{3,9}[-/., ]*\d{4}) (\d{2})$", r"\1 \2:00"),
        (r"(?<=\d)_(?=\d{1,2}:\d{2})", " "),  # of weather models: 2020-01-01_00:00:00
        (r"^(\d{1,2}[-/ ]?[a-z]{3}[-/ ]?\d{2,4}):(?=\d{1,2}:\d{2})", r"\1 "),  # of SAS and of servers: 01JAN2020:00:00
        (r"(?<= )(\d{1,2})[.hu](\d{2})(?:\.(\d{2}))?(?=$|\.\d{1,9} | ?[-+z]| ?[ap]\.? ?m)", _with_colons),
        (r"(?<= )(\d{1,2}) ?h$", r"\1:00"),
    )
)
_BETWEEN = (" - ", " \u2013 ", " / ", "/", " to ", "-", "\u2013")
"""What stands between the two ends of a span of time."""


def as_read(text: str) -> str:
    """A date, however it is written, as others write it: months with English names, clocks with colons."""
    if not text.isascii():  # digits of full width, accents
        apart = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(sign for sign in apart if not unicodedata.combining(sign)))
        text = re.sub("[\u2010-\u2015\u2212]", "-", text)
    text = re.sub(r"[a-z]{3,}", lambda word: _MONTHS.get(word[0].lower(), word[0]), text, flags=re.IGNORECASE)
    text = re.sub(r" del? ", " ", text, flags=re.IGNORECASE)
    for pattern, written in _SIGNS:
        text = pattern.sub(written, text)
    return text


def names_month(word: str) -> bool:
    """Whether a word is the English name of a month, or begins as one."""
    return word[:3].lower() in _ENGLISH


def begin_of(text: str) -> str:
    """Of a span of time ('2020-01-01 00:00 - 2020-01-01 01:00') the begin, of anything else all of it."""
    if text.isdigit():  # seconds since 1970: nothing stands between two ends
        return text
    text = re.sub(r" ?\(UTC\)$", "", text)
    if clocks := re.fullmatch(r"(.*\d{1,2}:\d{2}) [-\u2013] \d{1,2}:\d{2}", text):
        return clocks[1]
    for sign in _BETWEEN:
        half, rest = divmod(len(text) - len(sign), 2)
        if rest or text[max(half, 0) : half + len(sign)] != sign:
            continue
        begin, end = text[: max(half, 0)], text[half + len(sign) :]
        if begin != end and min(map(_digits, (begin, end))) >= 8:
            return begin
    return text


def _digits(text: str) -> int:
    return sum(sign.isdigit() for sign in text)
