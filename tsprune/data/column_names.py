"""Names of columns as one text, as a command line has them: with commas between, quoted as in the header of a CSV."""

import csv
import io
from collections.abc import Iterable

from tsprune.errors import UserError


def as_text(names: Iterable[str]) -> str:
    """
    >>> as_text(["load", "temp, outside"])
    'load,"temp, outside"'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def from_text(text: str) -> list[str]:
    """The names of ``load, "temp, outside"``. Raises :class:`UserError` where there is none."""
    names = [name.strip() for row in csv.reader([text], skipinitialspace=True) for name in row]
    if not any(names):
        raise UserError("--columns: names no column; give names with commas between, such as load,temp")
    return names
