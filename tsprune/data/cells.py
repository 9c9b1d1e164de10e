"""Cells as numbers, and what is wrong with them."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tsprune.data.codes import NOTHING
from tsprune.data.dates import looks_like_date
from tsprune.data.numerals import read_numerals
from tsprune.data.parsing import Parsed
from tsprune.shown import more, quoted

_ROW_NAMES = (
    *("index", "idx", "id", "row", "rownum", "row_number", "rowid", "level_0", "nr", "no", "#"),
    *("s.no", "s. no", "sno", "rn", "obs", "record", "zeile", "lfd. nr"),
)
_NAMELESS = re.compile(r"unnamed: \d+(\.\d+)*", re.IGNORECASE)
"""What pandas calls a column without a name, in lower case too, as whole headers often are."""

_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_CAUSES = (
    (re.compile(r"[+-]?0\d+(,\d+)+"), "several numbers in one cell? Give each a column of its own"),
    (re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"), "a thousands separator or decimal comma? Write numbers like 1234.5"),
    (re.compile(r"[+-]?\d*,\d+"), "a decimal comma? Write numbers like 1234.5, or separate the fields by semicolons"),
    (
        re.compile(r"[+-]?\d+\.\d+"),
        "a decimal point among decimal commas, or a thousands separator? Write numbers like 1234.5",
    ),
    (
        re.compile(r"[+-]?(\d[\d.]*[,.][\d.,]*|\d{1,3}([\s'_\u2019]\d{3})+([.,]\d+)?)"),
        "thousands separators? Write numbers like 1234.5",
    ),
    (re.compile(r"\d+[.,]-{1,2}"), "write the number without the sign for no cents"),
    (re.compile(r"\(\D?\d[\d.,]*\D?\)|\d[\d.,]*-"), "a negative number? Write it like -1234.5"),
    (re.compile(r"[+-]?\d[\d.]*D[+-]?\d+"), "an exponent as Fortran writes it? Write it like 1.5e+03"),
    (
        re.compile(r"[<>\u2264\u2265~]\s?[+-]?\d[\d.,]*"),
        "a bound is not a number; write a number, or leave the cell empty",
    ),
    (re.compile(r"#[A-Z]+/?[0-9A-Z]*[!?]"), "an error of a spreadsheet; write a number, or leave the cell empty"),
    (re.compile(r'=".*"'), "a formula of a spreadsheet; write the number alone"),
    (re.compile(r'".*"'), "its quotes do not directly follow the separator of the fields"),
    (
        # Letters right before digits are no unit but the name of something: S1.
        re.compile(
            r"[^\d+-]?[+-]?\d[\d.,]*\s?[^\d\s+-]{1,4}[23]?|[+-]?([^\w\s+-]{1,2}\s?|[^\d\s+-]{1,4}\s)[+-]?\d[\d.,]*"
        ),
        "write the number without a unit",
    ),
)
_LEAVE = "write a number, or leave the cell empty where nothing was measured"
_NUMERALS = 8
"""Of so many cells of text one at most may have no digits, to be what is wrong while the others are numbers in another
notation."""
_EXACT = 2**53
"""Up to here double precision has every whole number, beyond only some."""


@dataclass
class ReadCells:
    """The value columns as float64, NaN where a cell is empty or wrong, and what is wrong or worth saying of them."""

    frame: pd.DataFrame
    problems: list[str] = field(default_factory=list)
    unfit: dict[str, str] = field(default_factory=dict)
    """Those of the problems, by column, that would be none if the column were left out as no series."""
    notes: list[str] = field(default_factory=list)

    def refuse(self, column: str, problem: str) -> None:
        """Add a problem of a whole column."""
        self.problems.append(problem)
        self.unfit[column] = problem


def read_cells(parsed: Parsed, gaps_are_filled: bool, asked: bool = False) -> ReadCells:
    """The columns beside the dates as numbers. Empty cells are a problem unless gaps are filled.

    A column without a name, or with one that numbers of rows usually have, is left out if it counts the rows from 0 or
    1, wherever it stands: what goes up by 1 from the first row to the last is not nitric oxide, though called NO. So is
    one with neither a name nor a value: lines that end in a separator. Of columns that were ``asked`` for none is left
    out: that is a problem.
    """
    found = ReadCells(parsed.frame)
    columns, at = {}, f"{parsed.place} {parsed.header}: " if parsed.place == "line" else ""
    for position, name in enumerate(parsed.frame, start=1):
        given = parsed.frame[name]
        if name == parsed.date:
            continue
        nameless, counts = _NAMELESS.fullmatch(name) is not None, counts_rows(given)
        numbers_rows = name.lower().rstrip(".") in _ROW_NAMES
        if (nameless or numbers_rows) and counts and given.iloc[0] in (0, 1):
            what = f"column {position}, without a name," if nameless else f"column {quoted(name)}"
            if asked:
                found.problems.append(f"{what} counts the rows and is no series; leave it out of the columns")
            else:
                found.notes.append(f"{what} counts the rows: it is left out")
        elif nameless and given.isna().all():
            found.notes.append(f"column {position} has neither a name nor a value: it is left out")
        elif nameless:
            found.refuse(name, f"{at}column {position} has no name; name it or remove it")
        else:
            if (counts or (numbers_rows and _all_differ(given))) and not asked:
                what = "counts the rows" if counts else "may number the rows"
                found.notes.append(
                    f"column {quoted(name)} {what} and is kept; to leave it out name the others with columns"
                )
            numbers = _numbers(given, name, parsed, gaps_are_filled, found)
            if numbers is not None:
                columns[name] = numbers
    if not columns and not found.problems:
        found.problems.append("no column of numbers beside the dates")
    found.frame = pd.DataFrame(columns, index=parsed.frame.index)
    return found


def counts_rows(given: pd.Series) -> bool:
    """Whether a column goes up by 1 from row to row, or down."""
    if given.dtype.kind not in "iuf":
        return False
    steps = np.diff(given.to_numpy(np.float64))
    return bool(len(steps)) and abs(steps[0]) == 1 and bool((steps == steps[0]).all())


def _all_differ(given: pd.Series) -> bool:
    """Whether a column holds whole numbers, none of them twice: those of rows of which some were left out."""
    return given.is_unique and given.dtype.kind in "iuf" and bool((given % 1 == 0).all())


def _numbers(given: pd.Series, name: str, parsed: Parsed, gaps_are_filled: bool, found: ReadCells) -> np.ndarray | None:
    """One column as float64, or None if it holds no number at all; problems and notes go to ``found``."""
    lines, place = parsed.lines, parsed.place
    if pd.api.types.is_datetime64_any_dtype(given) or pd.api.types.is_timedelta64_dtype(given):
        found.refuse(name, f"column {quoted(name)} holds times, not numbers; remove or encode it")
        return None
    typed = given.dtype.kind in "iuf"  # read as numbers by pandas: only then is an empty cell all that can be wrong
    numbers = given.to_numpy(np.float64) if typed else _floats(given, parsed.decimal)
    found.notes += _rounded(given, numbers, name)
    if np.isfinite(numbers).all() and typed:
        return numbers
    empty = np.isnan(numbers) if typed else (given.isna() | _blank(given)).to_numpy()
    text = np.flatnonzero(~empty & np.isnan(numbers))
    words = ~empty & _without_digits(given) if len(text) else empty
    if _NUMERALS * words.sum() > len(text):  # too many to be what is wrong
        words = np.zeros_like(words)
    if len(text) and (read := read_numerals(given.astype(object).where(~empty & ~words))):
        numbers, text = read[0], np.flatnonzero(words)
        found.notes.append(f"column {quoted(name)}: {read[1]}")
    if len(text):
        every = len(text) == (~empty).sum()
        problem = _not_numbers(given, name, parsed, text, every)
        if every:
            found.refuse(name, problem)
            return None
        found.problems.append(problem)
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        found.problems.append(
            f"{place} {lines[infinite[0]]}, column {quoted(name)}: infinite{more(len(infinite) - 1)}; {_LEAVE}"
        )
    if empty.all():
        found.refuse(name, f"column {quoted(name)} has no values; remove it")
    elif empty.any() and not gaps_are_filled:
        found.problems.append(
            f"{place} {lines[np.argmax(empty)]}, column {quoted(name)}: no value{more(int(empty.sum()) - 1)}; "
            "fill it in, or have gaps filled (missing: interpolate)"
        )
    if pd.api.types.is_bool_dtype(given.dtype) or (given.dtype == object and given.map(type).eq(bool).any()):
        found.notes.append(f"column {quoted(name)}: True and False are read as 1 and 0")
    return numbers


def _not_numbers(given: pd.Series, name: str, parsed: Parsed, text: np.ndarray, every: bool) -> str:
    """The problem of a column with text in the rows ``text``: ``every`` one of those that are not empty, or some."""
    cell = str(given.iloc[text[0]])
    where = f"{parsed.place} {parsed.lines[text[0]]}, column {quoted(name)}: {quoted(cell)} is not a number"
    cause = _cause(cell)
    if every:
        return f"{where}, nor is any other value of this column; {cause or 'remove or encode the column'}"
    units = len(text) == 1 and text[0] == 0  # perhaps, in a line below the names
    if not (cause or units or any(sign.isdigit() for sign in cell)):
        cause = _LEAVE
    return where + more(len(text) - 1) + (f"; {cause}" if cause else "")


def _floats(given: pd.Series, decimal: str) -> np.ndarray:
    """Cells that pandas left as text, NaN where they are no numbers: among decimal commas a point is none."""
    if decimal == "," and pd.api.types.is_string_dtype(given):
        given = given.where(~given.str.contains(".", regex=False, na=True)).str.replace(",", ".", n=1)
    try:
        return pd.to_numeric(given, errors="coerce").to_numpy(np.float64)
    except OverflowError:  # whole numbers beyond the largest float
        return np.array([np.inf if isinstance(cell, int) and abs(cell) > 1e308 else float(cell) for cell in given])


def _blank(given: pd.Series) -> pd.Series:
    """Where a cell is text of nothing but spaces, or says that there is none."""
    return given.map(lambda cell: isinstance(cell, str) and cell.strip().lower() in {"", *NOTHING}).astype(bool)


def _without_digits(given: pd.Series) -> np.ndarray:
    """Where a cell is text that cannot be a number, however it is written."""
    return given.map(lambda cell: isinstance(cell, str) and not any(map(str.isdigit, cell))).to_numpy(bool)


def _rounded(given: pd.Series, numbers: np.ndarray, name: str) -> list[str]:
    """A note where whole numbers have more digits than double precision."""
    large = np.flatnonzero(np.isfinite(numbers) & (np.abs(numbers) >= _EXACT)) if given.dtype.kind != "f" else ()
    written = ((str(given.iloc[row]).strip(), int(numbers[row])) for row in large)
    other = [(cell, read) for cell, read in written if cell.lstrip("+-").isdecimal() and int(cell) != read]
    if not other:
        return []
    cell, read = other[0]
    return [f"column {quoted(name)}: {cell} is read as {read}{more(len(other) - 1)}, the nearest in double precision"]


def _cause(cell: str) -> str:
    """What probably keeps a cell from being a number, and what helps; "" where nothing is known."""
    cell = cell.strip()
    if _CLOCK.fullmatch(cell):
        return "times of day belong in the column of dates"
    if cell.startswith("\u2212"):
        return "its minus sign is not '-'"
    if looks_like_date(cell):
        return "a second column of dates; remove it"
    return next((cause for pattern, cause in _CAUSES if pattern.fullmatch(cell)), "")
