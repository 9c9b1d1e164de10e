"""Numbers as people write them: with thousands separators, a unit behind them, or in brackets for minus."""

import re
from itertools import product

import numpy as np
import pandas as pd

from tsprune.data.dates import is_number
from tsprune.shown import quoted

_MINUS = re.compile(r"^(?:\((.+)\)|(.+)-|[\u2212\u2013](.+))$")
_CURRENCY = "[$\u00a3\u00a5\u20ac]"
_UNIT = re.compile(rf"([+-]?)({_CURRENCY}?) ?([+-]?[0-9.,'\u2019 ]*[0-9]) ?(%|[^\W\d_]{{1,5}}|{_CURRENCY}|\u00b0[CF])?")
_SPACES = re.compile(r"[\u00a0\u2009\u202f]")
_OPEN = re.compile(r"[+-]?[1-9]\d{0,2}[,.]\d{3}")
_THOUSANDS = (None, ",", ".", " ", "'", "\u2019")


def read_numerals(cells: pd.Series) -> tuple[np.ndarray, str] | None:
    """A column of text as float64 (NaN where a cell is empty), and what its first cell that is no plain number became,
    if all its cells are numbers written in one way, which can be read in one way only; else None."""
    if not cells.map(pd.api.types.is_scalar).all():
        return None
    texts = cells.map(lambda cell: "" if pd.isna(cell) else _SPACES.sub(" ", str(cell)).strip())
    filled = texts[texts != ""]
    if not len(filled):
        return None
    bare = [_MINUS.sub(lambda sign: "-" + next(filter(None, sign.groups())).strip(), text) for text in filled]
    found = [_UNIT.fullmatch(text) for text in bare]
    if not all(found) or len({(match[2], match[4]) for match in found}) > 1:
        return None
    read = _without_marks([match[1] + match[3] for match in found])
    if read is None:
        return None
    numbers = np.full(len(cells), np.nan)
    numbers[(texts != "").to_numpy()] = [float(text) for text in read]
    row = next((i for i, text in enumerate(filled) if not is_number(text)), 0)
    return numbers, f"{quoted(filled.iloc[row])} and similar cells are read as {float(read[row]):.15g}"


def _without_marks(digits: list[str]) -> list[str] | None:
    """Numbers with a decimal point and no mark of thousands; None where two ways to read them are left, or none: no
    number is +0123,1, of which the 1 may say how good the reading is.

    A point or a comma tells what it marks where one number has two of it, both marks, or other than three digits
    behind it: 1.234 alone may have decimals or thousands."""
    if not any(sign in text for text in digits for sign in ",.' \u2019"):
        return digits
    ways = []
    for thousands, point in product(_THOUSANDS, ".,"):
        mark = re.escape(thousands or "")
        whole = rf"(?:0|[1-9]\d{{0,2}}(?:{mark}\d{{3}})*)" if thousands else r"(?:0?|[1-9]\d*)"
        number = re.compile(rf"[+-]?{whole}(?:{re.escape(point)}\d+)?")
        if thousands == point or not all(number.fullmatch(text) for text in digits):
            continue
        if thousands is None:
            told = any(point in text and not _OPEN.fullmatch(text) for text in digits)
        elif thousands in ",.":
            told = any(text.count(thousands) > 1 or (thousands in text and point in text) for text in digits)
        else:
            told = any(thousands in text for text in digits)
        if told:
            ways.append([text.replace(thousands or "", "").replace(point, ".") for text in digits])
    return ways[0] if ways and all(way == ways[0] for way in ways) else None
