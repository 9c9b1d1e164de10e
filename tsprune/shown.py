"""How names and cells of a file are shown in messages: nothing in them controls a terminal, and nothing is endless."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 60  # signs of a name or a cell that a message shows


def plain(text: object, limit: int = LONGEST) -> str:
    """``text`` on one line: characters that a terminal would act on or hide are escaped, a long text is cut.

    >>> plain("\\x1b[31mred")
    '\\\\x1b[31mred'
    """
    text = str(text)
    shown = "".join(sign if sign.isprintable() else _escaped(sign) for sign in text[:limit])
    return f"{shown}... ({len(text):,} characters)" if len(text) > limit else shown


def quoted(text: object) -> str:
    """``text`` as :func:`plain` shows it, in quotes."""
    return f"'{plain(text)}'"


def listed(names: list, most: int = 40) -> str:
    """Names as :func:`plain` shows them, separated by commas; of more than ``most`` only the first ones."""
    text = ", ".join(plain(name) for name in names[:most])
    return f"{text} and {len(names) - most:,} more" if len(names) > most else text


def shown_dates(dates: "pd.DatetimeIndex", rows: slice | list[int] = slice(None)) -> list[str]:
    """These ``rows`` of ``dates`` as texts: days where all of ``dates`` are midnights, otherwise each with its time."""
    days = _are_days(dates)
    return [str(date.date() if days else date) for date in dates[rows]]


def shown_date(date: "pd.Timestamp", among: "pd.DatetimeIndex") -> str:
    """``date`` as a day where it and all that it is ``among`` are midnights, otherwise with its time."""
    return str(date.date() if date == date.normalize() and _are_days(among) else date)


def more(count: int) -> str:
    """How many further cases there are besides the one named, in brackets; empty if there are none."""
    return f" (and {count} more)" if count else ""


def epochs_text(count: int) -> str:
    """``1 epoch``, ``3 epochs``."""
    return f"{count} epoch{'' if count == 1 else 's'}"


def _are_days(dates: "pd.DatetimeIndex") -> bool:
    return bool((dates == dates.normalize()).all())


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
