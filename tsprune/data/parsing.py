"""From the bytes of a CSV to its table: encoding, separator, header, and rows with as many fields as the header."""

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsprune.data.dates import DATE_NAMES, find_date_column, is_number, looks_like_date
from tsprune.data.shown import more, plain, quoted
from tsprune.errors import UserError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "'|'"}
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins like that of UTF-16, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NO_ROWS = "the file has no rows; needed: a line of column names and a line per time step"
_WHOLE = re.compile(r"[+-]?\d+")
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")


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
    another. Every row has as many fields as the header. Names lose the spaces around them.
    """
    text = _decoded(content, encoding)
    rows = _Rows(text)
    names = _names(rows)
    rows.refuse_ragged()
    # pandas' own name for a column without one: it is also what such a column is called once pandas has written it.
    names = [name or f"Unnamed: {position}" for position, name in enumerate(names)]
    options = {"sep": rows.separator, "header": None, "names": names, "index_col": False, "skiprows": 1}
    date = find_date_column(_read(rows, dtype=str, nrows=200, **options), date_column)
    decimal, notes = ".", [] if rows.separator == "," else [f"fields are separated by {SEPARATORS[rows.separator]}"]
    if rows.separator != "," and re.search(r"\d,\d", text) and _has_decimal_commas(rows, date, options):
        decimal = options["decimal"] = ","
        notes.append("numbers are read with a decimal comma")
    frame = _read(rows, dtype={date: str}, low_memory=False, **options)
    return Parsed(frame, date, np.array(rows.starts[1:]), "line", rows.starts[0], decimal, tuple(notes))


def parse_frame(frame: pd.DataFrame, *, date_column: str | None = None) -> Parsed:
    """The table of a binary file, its index among the columns where that holds more than numbers of rows."""
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    frame = frame.rename(columns=lambda name: str(name).strip())
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise UserError(f"column {quoted(twice[0])} occurs more than once; names must differ")
    if len(frame) == 0:
        raise UserError("the file has no rows")
    date = find_date_column(frame.head(200), date_column)
    return Parsed(frame, date, np.arange(1, len(frame) + 1), place="row")


def _decoded(content: bytes, encoding: str | None) -> str:
    """The text with LF line ends, without marks of the byte order."""
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    if encoding is None and marked is None and 0.25 < content[:1000].count(0) / len(content[:1000] or b" ") < 0.75:
        order = "le" if content[1:1000:2].count(0) > content[:1000:2].count(0) else "be"
        raise UserError(f"line 1: not UTF-8 text, by its signs UTF-16 without a mark; give encoding='utf-16-{order}'")
    name = encoding or marked or "utf-8"
    try:
        codecs.lookup(name)
        text = content.decode(name)
    except LookupError:
        raise UserError(
            f"encoding = {quoted(name)}: no such encoding; usual ones are 'utf-8', 'utf-16', 'latin-1', 'cp1252'"
        ) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        kind = {"utf-8": "UTF-8"}.get(name, name)
        signs = sum(byte < 9 or 13 < byte < 32 for byte in content[:1000])
        advice = (
            "give its encoding (encoding='cp1252' for Western Windows, 'latin-1', 'utf-16'), or save the file as UTF-8"
        )
        if signs > len(content[:1000]) / 50:
            advice = "it seems to be no text at all; a CSV, parquet or feather file is needed"
        raise UserError(f"line {line}: not {kind} text; {advice}") from None
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r\n", "\n")
    if "\r" in text:
        if "\n" not in text:
            raise UserError("its lines end in CR alone, as on old Macs; save it with line ends LF or CR LF")
        line = text[: text.index("\r")].count("\n") + 1
        raise UserError(f"line {line}: a CR within the line; line ends must all be LF or CR LF")
    if "\0" in text:
        raise UserError(f"line {text[: text.index(chr(0))].count(chr(10)) + 1}: a NUL sign; the file is damaged")
    return text


class _Rows:
    """Where the rows of a CSV begin (``starts``, lines of the file, the header's first) and how many fields they have.

    ``text`` is the CSV without lines that are blank.
    """

    def __init__(self, text: str):
        lines = text.split("\n")
        filled = [number for number, line in enumerate(lines, start=1) if line and not line.isspace()]
        if not filled:
            raise UserError(_NO_ROWS)
        marked = re.fullmatch(r'"?sep=(.)"?', lines[filled[0] - 1].strip(" "), re.IGNORECASE)
        if marked:  # a line for Excel alone: it says what stands between the fields
            filled = filled[1:] or filled
        head = re.sub(r'"[^"]*"', "", lines[filled[0] - 1])
        self.separator = max(SEPARATORS, key=head.count)  # of those that occur as often the first
        self._lines = lines
        if '"' in text:
            self.text = "\n".join(lines[filled[0] - 1 :])
            self.starts, self.widths = self._quoted(self.text, filled[0])
        else:
            self.starts = filled
            kept = lines if len(filled) == len(lines) else [lines[number - 1] for number in filled]
            self.widths = [line.count(self.separator) + 1 for line in kept]
            self.text = "\n".join(kept)
        if len(self.starts) < 2:
            raise UserError(_NO_ROWS)

    def _quoted(self, text: str, first: int) -> tuple[list[int], list[int]]:
        """The lines on which rows begin, and their numbers of fields, of a text with quotes that begins on a line."""
        starts, widths, begin = [], [], first
        largest = csv.field_size_limit(len(text) + 1)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.separator, strict=True)
        try:
            for row in reader:
                if len(row) > 1 or (row and row[0].strip()):
                    starts.append(begin)
                    widths.append(len(row))
                begin = first + reader.line_num
        except csv.Error as error:
            raise UserError(f"line {begin}: a quote that is not closed or closed too early ({error})") from None
        finally:
            csv.field_size_limit(largest)
        return starts, widths

    def fields(self, row: int) -> list[str]:
        """The fields of one row (0: the header) as text."""
        end = self.starts[row + 1] if row + 1 < len(self.starts) else len(self._lines) + 1
        line = "\n".join(self._lines[self.starts[row] - 1 : end - 1]).rstrip("\n")
        if '"' not in line:
            return line.split(self.separator)
        largest = csv.field_size_limit(len(line) + 1)
        try:
            return next(csv.reader(io.StringIO(line, newline=""), delimiter=self.separator))
        finally:
            csv.field_size_limit(largest)

    def refuse_ragged(self) -> None:
        """Raise UserError if a row has more or fewer fields than the header: values would stand in other columns."""
        widths = np.array(self.widths)
        width = widths[0]
        for wrong, cause in ((widths > width, self._surplus), (widths < width, self._lack)):
            rows = np.flatnonzero(wrong)
            if len(rows):
                row = rows[0]
                raise UserError(
                    f"line {self.starts[row]}: {widths[row]} fields, the header has {width}{more(len(rows) - 1)}; "
                    f"{cause(rows)}"
                )

    def _surplus(self, rows: np.ndarray) -> str:
        """What probably made rows too long, and what helps."""
        header = [name.strip().lower() for name in self.fields(0)]
        some = [[field.strip() for field in self.fields(row)] for row in rows[:200]]
        surplus = len(some[0]) - len(header)
        if all(not any(row[len(header) :]) for row in some):
            return "the rows end in a separator that the header lacks; take it away, or name the column"
        if surplus == 1 and self._lacks_first_name(header, some[0]):
            return (
                "the header seems to lack the name of the first column (an index, or row names as R's write.table "
                "writes them); put one in front"
            )
        if self.separator == "," and (pieces := _pieces(some, len(header))):
            what = (
                "a decimal comma" if any(len(piece) != 3 for piece in pieces) else "a thousands mark or decimal comma"
            )
            return f"{what}? Write numbers like 1234.5, or separate the fields by semicolons"
        return f"what stands behind {plain(some[0][len(header) - 1])!r}, {plain(some[0][len(header)])!r}, has no column"

    def _lacks_first_name(self, header: list[str], row: list[str]) -> bool:
        """Whether a row that is one field too long would fit a header with one name more in front."""
        if looks_like_date(row[0]):
            return not any(name in DATE_NAMES for name in header) and is_number(row[-1])
        return row[0].isdigit() and any(looks_like_date(field) for field in row[1:])

    def _lack(self, rows: np.ndarray) -> str:
        last = rows[0] == len(self.starts) - 1
        return "the file seems to be cut off there" if last else "is the row cut off, or a separator missing?"


def _pieces(rows: list[list[str]], width: int) -> list[str]:
    """What would be decimals if every second comma between numbers were a decimal comma; [] if it cannot be so: if a
    field holds something else, or if there are more numbers than two for each column beside those of dates."""
    pieces = []
    for row in rows:
        numbers = [field for field in row if not looks_like_date(field)]
        columns = width - (len(row) - len(numbers))
        if len(numbers) > 2 * columns or not all(_WHOLE.fullmatch(field) for field in numbers):
            return []
        pieces += [field for field in numbers[1::2] if field.isdigit()]
    return pieces


def _names(rows: _Rows) -> list[str]:
    """The column names; UserError if they are values, or not all different."""
    names, line = [name.strip() for name in rows.fields(0)], rows.starts[0]
    if len(names) == 1:
        title = "; is it a title above the table? Take it away" if rows.widths[1] > 1 else ""
        raise UserError(f"line {line}: only one column, needed: one of dates and at least one of numbers{title}")
    below = rows.fields(1)
    dated = any(looks_like_date(name) and looks_like_date(cell) for name, cell in zip(names, below, strict=False))
    if dated or all(is_number(name) for name in names):
        values = quoted(rows.separator.join(names))
        raise UserError(f"line {line}: {values} are values, not names; put a line of column names above them")
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise UserError(
            f"line {line}: column {quoted(twice[0])} occurs {names.count(twice[0])} times; names must differ"
        )
    return names


def _read(rows: _Rows, **options) -> pd.DataFrame:
    try:
        frame = pd.read_csv(io.StringIO(rows.text), **options)
    except pd.errors.ParserError as error:
        raise UserError(re.sub(r"^.*C error: ", "", plain(error, 300)).strip()) from None
    expected = min(len(rows.starts) - 1, options.get("nrows") or len(rows.starts))
    if len(frame) != expected:
        raise UserError(f"the file has {expected} rows by its lines, but {len(frame)} by its fields; see its quotes")
    return frame


def _has_decimal_commas(rows: _Rows, date: str, options: dict) -> bool:
    """Whether numbers have a decimal comma; UserError where it may as well be a mark of thousands: always before three
    digits, beside whole numbers without."""
    texts, found = _read(rows, dtype=str, **options).drop(columns=date), False
    for name in texts:
        cells = texts[name].dropna().str.strip()
        comma = cells.str.fullmatch(_COMMA.pattern)
        found |= bool(comma.any())
        whole = cells.str.fullmatch(_WHOLE.pattern)
        if comma.any() and whole.any() and cells[comma].str.fullmatch(_THOUSANDS.pattern).all():
            first = cells[comma].index[0]
            raise UserError(
                f"line {rows.starts[first + 1]}, column {quoted(name)}: {quoted(cells[first])} may have a thousands "
                "mark or a decimal comma; write numbers like 1234.5"
            )
    return found
