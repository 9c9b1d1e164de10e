"""From the bytes of a CSV to its table: encoding, separator, header, and rows with as many fields as the header."""

import codecs
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsprune.data.codes import CODES, NOTHING
from tsprune.data.dates import is_number, looks_like_date
from tsprune.data.find_dates import DATE_NAMES, date_parts, find_date_column, join_dates
from tsprune.data.rows import SEPARATORS, Rows
from tsprune.errors import UserError
from tsprune.shown import listed, more, plain, quoted
from tsprune.typed import composed

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins like that of UTF-16, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CALLED = {
    *DATE_NAMES,
    "datum",
    "zeit",
    "zeitpunkt",
    "zeitstempel",
    "fecha",
    "data",
    "dato",
    "tijd",
    "heure",
    "horodate",
}
"""What a column of dates is called, in lower case."""
_MOST_FACTS = 20
"""Lines between the first and the column names."""
_WHOLE = re.compile(r"[+-]?\d+")
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_THOUSANDS = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:\{mark}\d{{3}})+") for mark in ",."}


@dataclass(frozen=True)
class Parsed:
    """A table before its cells are checked: columns as pandas reads them, the one of dates (``date``) as text.

    ``lines``: the line of the file (of a binary table: the row) that each row stands on, and ``place`` which of both.
    ``header``: the line of the names. ``decimal``: the decimal mark. ``notes`` say how the file was read where that is
    not plain.
    """

    frame: pd.DataFrame
    date: str
    lines: np.ndarray
    place: str = "line"
    header: int = 1
    decimal: str = "."
    notes: tuple[str, ...] = ()


def parse_csv(content: bytes, *, encoding: str | None = None, date_column: str | None = None) -> Parsed:
    """The table of a CSV; UserError, with one line, where it is none.

    Fields are separated by commas, semicolons, tabs or '|', whichever the header has most of; where it is not commas,
    numbers may have a decimal comma. The text is UTF-8, or UTF-16 with its mark in front, unless ``encoding`` names
    another. Every row has as many fields as the header. Names lose the spaces around them, and are :func:`composed`.
    """
    rows = Rows(_decoded(content, encoding))
    names = _names(rows)
    notes = []
    if remarks := rows.remarks_below():
        line, text = rows.starts[remarks[0]], rows.fields(remarks[0])[0]
        notes.append(f"line {line}, {quoted(text)}{more(len(remarks) - 1)}, is not a row of the table: it is left out")
        rows.leave_out(remarks)
    rows.refuse_ragged()
    names = [name or _unnamed(position, names) for position, name in enumerate(names)]
    options = {"sep": rows.separator, "header": None, "names": names, "index_col": False, "skiprows": 1}
    sample = _read(rows, dtype=str, nrows=200, **options)
    try:
        told = pd.DataFrame({name: _without_ends(sample[name]) for name in sample})
        parts = () if date_column else date_parts(told)
        date = parts[0] if parts else find_date_column(told, date_column)
    except UserError:
        _refuse_names_below(rows)
        raise
    if rows.titles:
        notes.append(f"lines above line {rows.starts[0]}, the column names, are left out")
    if rows.separator != ",":
        notes.append(f"fields are separated by {SEPARATORS[rows.separator]}")
    if beside := _beside(rows, names.index(date)):
        _refuse_other_names(rows, beside, names, date)
        line, text = rows.starts[beside[0]], rows.fields(beside[0])
        what = f"line {line}, {quoted(rows.separator.join(text))}{more(len(beside) - 1)}"
        notes.append(f"{what}, has no date and is not a row of the table: it is left out")
        rows.leave_out(beside)
        sample = _read(rows, dtype=str, nrows=200, **options)
    decimal = "."
    if rows.separator != "," and re.search(rb"\d,\d", rows.content) and _has_decimal_commas(rows, date, options):
        decimal = options["decimal"] = ","
        notes.append("numbers are read with a decimal comma")
    frame = _read(rows, dtype=dict.fromkeys((date, *parts), str), low_memory=False, **options)
    _refuse_points(frame, sample, rows, options)
    if rows.separator != "," and (cell := _like_thousands(sample.drop(columns=date), decimal)):
        notes.append(
            f"{quoted(cell)} and similar cells are read as numbers with three decimals, not with a thousands separator"
        )
    if parts:
        frame, note = _joined(frame, parts)
        notes.append(note)
    return Parsed(frame, date, rows.starts[1:], "line", int(rows.starts[0]), decimal, tuple(notes))


def _without_ends(cells: pd.Series) -> pd.Series:
    """Cells without the words above and below what has digits: units and the names of sums tell nothing of dates."""
    if all(any(map(str.isdigit, str(end))) for end in (*cells[:1], *cells[-1:])):
        return cells  # most columns, fast
    digits = cells.str.contains(r"\d", na=False)
    return cells.where(digits.cummax() & digits[::-1].cummax())


def _beside(rows: Rows, date: int) -> list[int]:
    """Rows right below the names and at the end that are none of the table: a word in the place of the date (units, a
    sum, a source), or nothing there nor a number anywhere."""

    def is_none(row: int) -> bool:
        fields = [field.strip() for field in rows.fields(row)]
        at = fields[date]
        if any(sign.isdigit() for sign in at):
            return False
        return at.lower() not in NOTHING if at else not any(map(is_number, fields))

    first, last = 1, len(rows.starts)
    while first < last and is_none(first):
        first += 1
    while first < last and is_none(last - 1):
        last -= 1
    return [*range(1, first), *range(last, len(rows.starts))] if first < last else []


def _refuse_other_names(rows: Rows, beside: Sequence[int], names: Sequence[str], date: str) -> None:
    """Raise UserError where the names stand on one of the lines below what was taken for them: pairs of a word and what
    it says of the table."""
    for row in beside:
        fields = [field.strip().lower() for field in rows.fields(row)]
        if fields[names.index(date)] in _CALLED and all(fields) and date.lower() not in _CALLED:
            raise UserError(f"line {rows.starts[row]}: are these the column names? Remove the lines above them")


def _refuse_names_below(rows: Rows) -> None:
    """Raise UserError where a line with a usual name of dates stands below what was taken for the names: facts of a
    place."""
    for row in range(1, min(len(rows.starts), _MOST_FACTS)):
        fields = [field.strip().lower() for field in rows.fields(row)]
        if all(fields) and not set(fields).isdisjoint(DATE_NAMES):
            raise UserError(f"line {rows.starts[row]}: are these the column names? Remove the lines above them")


def _joined(frame: pd.DataFrame, parts: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """The frame with one column of dates, called as the first of its ``parts`` and in its place; and a note of it."""
    frame = frame.assign(**{parts[0]: join_dates(frame[list(parts)])}).drop(columns=list(parts[1:]))
    if len(parts) == 1:
        return frame, f"dates are read from the column {quoted(parts[0])}"
    return frame, f"dates are put together from the columns {listed(list(parts))}"


def parse_frame(frame: pd.DataFrame, *, date_column: str | None = None) -> Parsed:
    """The table of a binary file, its index among the columns where that holds more than numbers of rows: whole numbers
    without a name that are not the dates are those of the rows of a larger table."""
    unnamed = frame.index.nlevels == 1 and frame.index.name is None and frame.index.dtype.kind in "iu"
    numbers = None
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(allow_duplicates=True)  # refused below
        numbers = str(frame.columns[0]) if unnamed else None
    # Of names on several levels all that say something.
    names = [" ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]
    names = [composed(name.strip()) for name in names]
    frame = frame.set_axis([name or _unnamed(position, names) for position, name in enumerate(names)], axis=1)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise UserError(f"column {quoted(twice[0])} occurs more than once; names must differ")
    if len(frame) == 0:
        raise UserError("the file has no rows")
    parts, notes = () if date_column else date_parts(frame.head(200)), []
    date = parts[0] if parts else find_date_column(frame.head(200), date_column)
    if numbers not in (None, date, *parts):
        frame = frame.drop(columns=numbers)
        notes.append("the index, whole numbers without a name, is left out")
    if parts:
        frame, note = _joined(frame, parts)
        notes.append(note)
    return Parsed(frame, date, np.arange(1, len(frame) + 1), place="row", notes=tuple(notes))


def _decoded(content: bytes, encoding: str | None) -> str:
    """The text with LF line ends, without marks of the byte order."""
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    if encoding is None and marked is None and content[:1000].count(0) > len(content[:1000]) / 4:
        even, odd = content[:1000:2].count(0), content[1:1000:2].count(0)
        if min(even, odd) > max(even, odd) / 10:
            raise UserError("line 1: this does not seem to be text; a CSV, parquet or feather file is needed")
        order = "le" if odd else "be"
        raise UserError(
            f"line 1: not UTF-8 text, but it looks like UTF-16 without a mark; give encoding='utf-16-{order}'"
        )
    name = encoding or marked or "utf-8"
    try:
        garbled = encoding is not None and _garbles(content, encoding)
        text = "" if garbled else content.decode(name)
    except (LookupError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise UserError(_not_text(content, name, error)) from None
        raise UserError(
            f"encoding = {quoted(name)}: no such encoding; usual ones are 'utf-8', 'utf-16', 'latin-1', 'cp1252'"
        ) from None
    if garbled:
        raise UserError(
            f"encoding = {quoted(encoding)}: the file is UTF-8 text, which this would garble; leave encoding out"
        )
    # Twice: on Windows lines end in CR CR LF where what had CR LF was written as text once more.
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r\n", "\n")
    if "\r" in text:
        if "\n" not in text:
            raise UserError("its lines end in CR alone, as on old Macs; save it with line endings LF or CR LF")
        line = text[: text.index("\r")].count("\n") + 1
        raise UserError(f"line {line}: a CR within the line; line endings must all be LF or CR LF")
    if "\0" in text:
        raise UserError(f"line {text[: text.index(chr(0))].count(chr(10)) + 1}: a NUL character; the file is damaged")
    return text


def _garbles(content: bytes, encoding: str) -> bool:
    """Whether what is UTF-8 text would be read as other signs. Hardly any text of one byte per sign is UTF-8 too unless
    all of it is ASCII, and none of two or more, as UTF-16, whose commas have zeros beside them."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    if len(",,".encode(encoding)) - len(",".encode(encoding)) > 1:
        return b"\0" not in content[:1000]
    return not content.isascii() and len(content.decode(encoding)) == len(content)


def _not_text(content: bytes, name: str, error: UnicodeDecodeError) -> str:
    """What to say of bytes that are no text of the encoding ``name``."""
    line = content[: error.start].count(b"\n") + 1
    kind = {"utf-8": "UTF-8"}.get(name, name)
    signs = sum(byte < 9 or 13 < byte < 32 for byte in content[:1000])
    advice = "give its encoding (encoding='cp1252' for Western Windows, 'latin-1', 'utf-16'), or save the file as UTF-8"
    if signs > len(content[:1000]) / 50:
        advice = "it does not seem to be text; a CSV, parquet or feather file is needed"
    return f"line {line}: not {kind} text; {advice}"


def _names(rows: Rows) -> list[str]:
    """The column names; UserError if they are values, or not all different."""
    names, line = [composed(name.strip()) for name in rows.fields(0)], rows.starts[0]
    if len(names) == 1:
        needed = "only one column; expected one of dates and at least one of numbers"
        raise UserError(f"line {line}: {needed}; {_why_one_column(rows)}")
    below = rows.fields(1)
    dated = any(looks_like_date(name) and looks_like_date(cell) for name, cell in zip(names, below, strict=False))
    if dated or (names[0] and all(map(_is_value, names))):  # ',0' heads a series that pandas has written
        values = quoted(rows.separator.join(names))
        raise UserError(
            f"line {line}: {values} are values, not names; put a line of column names above them, one for each"
        )
    if all(len(name) > 1 and name[0] == name[-1] == "'" for name in names):
        raise UserError(f"line {line}: the names are in single quotes; use double ones, or none")
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise UserError(
            f"line {line}: column {quoted(twice[0])} occurs {names.count(twice[0])} times; names must differ"
        )
    return names


def _is_value(name: str) -> bool:
    """Whether what may be a name is a number, or stands for none."""
    return is_number(name) or _COMMA.fullmatch(name) is not None or name.lower() in {"", *NOTHING}


def _unnamed(position: int, names: list[str]) -> str:
    """pandas' own name for a column without one: it is also what such a column is called once pandas has written it,
    so that one of the ``names`` that are there may be the same."""
    name = f"Unnamed: {position}"
    while name in names:
        name += ".1"
    return name


def _why_one_column(rows: Rows) -> str:
    """What may stand between the fields."""
    texts = [rows.separator.join(rows.fields(row)) for row in range(2)]
    if all(any(sign in text for sign in SEPARATORS) for text in texts):
        return "are whole lines in quotes? Remove the quotes"
    if min(len(text.split()) for text in texts) > 1:
        return "are the fields separated by spaces? Separate them by commas, semicolons or tabs"
    *others, last = SEPARATORS.values()
    return f"fields are separated by {', '.join(others)} or {last}"


def _read(rows: Rows, **options) -> pd.DataFrame:
    try:
        frame = pd.read_csv(io.BytesIO(rows.content), **options)
    except pd.errors.ParserError as error:
        raise UserError(re.sub(r"^.*C error: ", "", plain(error, 300)).strip()) from None
    expected = min(len(rows.starts) - 1, options.get("nrows") or len(rows.starts))
    if len(frame) != expected:
        raise UserError(f"the file has {expected} rows by its lines, but {len(frame)} by its fields; check its quotes")
    return frame


def _has_decimal_commas(rows: Rows, date: str, options: dict) -> bool:
    """Whether numbers have a decimal comma; UserError where it may as well be a mark of thousands. It is one where all
    stand before three digits and other columns have a decimal point."""
    texts = _read(rows, dtype=str, **options).drop(columns=date)
    found = told = False
    for name in texts:
        cells = texts[name].dropna().str.strip()
        commas = cells[cells.str.fullmatch(_COMMA.pattern)]
        found |= len(commas) > 0
        told |= not commas.str.fullmatch(_THOUSANDS[","].pattern).all()
        _refuse_thousands(texts[name], ",", rows)
    return found and (told or not any(_has_points(texts[name]) for name in texts))


def _has_points(texts: pd.Series) -> bool:
    """Whether all numbers of a column have a decimal point or none, some of them one that marks no thousands."""
    cells = texts.dropna().str.strip()
    points = cells[cells.str.contains(".", regex=False)]
    return bool(len(points)) and cells.map(is_number).all() and not points.str.fullmatch(_THOUSANDS["."].pattern).all()


def _refuse_points(frame: pd.DataFrame, sample: pd.DataFrame, rows: Rows, options: dict) -> None:
    """Raise UserError where a decimal point may as well be a mark of thousands. Of numbers it must be read once more:
    by their text, and only where it is worth it."""
    suspects = [name for name in frame if _may_have_thousands(frame[name], sample[name])]
    texts = _read(rows, dtype=str, usecols=suspects, **options) if suspects else {}
    for name in suspects:
        _refuse_thousands(texts[name], ".", rows)


def _may_have_thousands(numbers: pd.Series, sample: pd.Series) -> bool:
    """Whether it is worth looking at a column's text for points that mark thousands: '1.020' beside '980'."""
    if numbers.dtype.kind != "f":
        return False
    values = numbers.to_numpy()
    values = values[np.isfinite(values)]
    broken = values % 1 != 0
    if broken.all() or not broken.any():
        return False
    size = np.abs(values[broken])
    if size.min() < 1 or size.max() >= 1000:
        return False
    return all(_THOUSANDS["."].fullmatch(cell.strip()) for cell in sample.dropna().tolist() if "." in cell)


def _like_thousands(sample: pd.DataFrame, decimal: str) -> str | None:
    """A cell of a column all of whose numbers have their decimal mark before three digits: in a file with another
    separator than the comma it may come from where that marks thousands."""
    for name in sample:
        cells = sample[name].dropna().str.strip()
        if len(cells) and cells.str.fullmatch(_THOUSANDS[decimal].pattern).all():
            return cells.iloc[0]
    return None


def _refuse_thousands(cells: pd.Series, mark: str, rows: Rows) -> None:
    """Raise UserError if a decimal mark may as well be one of thousands: always before three digits, while some whole
    numbers have none: several, as zeros and codes of no reading are often written so, or one of three digits, whose
    neighbour a thousand is."""
    cells = cells.dropna().str.strip()
    marked = cells[cells.str.contains(mark, regex=False)]
    if not len(marked) or not marked.str.fullmatch(_THOUSANDS[mark].pattern).all():
        return
    whole = set(cells[cells.str.fullmatch(_WHOLE.pattern)].astype(float)) - CODES - {0.0}
    below = [abs(number) for number in whole if abs(number) < 1000]
    if len(below) > 1 or (below and below[0] >= 100):
        where = f"line {rows.starts[marked.index[0] + 1]}, column {quoted(cells.name)}"
        raise UserError(
            f"{where}: {quoted(marked.iloc[0])} may have a thousands separator or decimal comma; write all numbers "
            "like 1234.5 or 1234.50"
        )
