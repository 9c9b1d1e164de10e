"""The rows of a CSV: on which line each begins, how many fields it has, and what probably made it too long or short."""

import csv
import io
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tsprune.data.dates import is_number, looks_like_date
from tsprune.data.find_dates import DATE_NAMES
from tsprune.errors import UserError
from tsprune.shown import more, plain

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "'|'"}
_NO_ROWS = "the file has no rows; expected a line of column names and a line per time step"
_WHOLE = re.compile(r"[+-]?\d+")
_REMARKS = ("#", "//", "%", ";")
_REMARK = re.compile(rf' *"? *({"|".join(_REMARKS)})')  # not the field of nothing in '"";"x"'
_MOST_TITLES = 100  # lines among which the first one of a table is looked for
_NO_FIELD = b' \t,;|"'  # all that lines without a value are made of


class Rows:
    """Where the rows of a CSV begin, and how many fields each has: the header's first, titles and remarks above it and
    lines without a value left out.

    ``content``: the text in UTF-8, from the header on. ``titles``: lines above the header that hold something.
    ``separator``: the one of SEPARATORS that the header has most of, of those that the row below it has as often.
    ``starts`` (rows,): lines of the file, counted from 1; ``widths`` (rows,): numbers of fields. Raises UserError if
    there is no row below the header, or if a quote is not closed.
    """

    def __init__(self, text: str):
        content = text.encode()
        signs = np.frombuffer(content, dtype=np.uint8)
        ends = np.append(np.flatnonzero(signs == ord("\n")), len(signs))
        begins = np.append(0, ends[:-1] + 1)
        filled = np.flatnonzero(ends > begins)
        spaced = filled[signs[begins[filled]] <= ord(" ")]  # only these can hold nothing but spaces
        blank = [line for line in spaced if not content[begins[line] : ends[line]].strip()]
        content = _spaces(content, [slice(begins[line], ends[line]) for line in blank])
        filled = np.setdiff1d(filled, blank, assume_unique=True) if blank else filled
        if len(filled) > 1 and re.fullmatch(rb' *"?sep=."? *', content[: ends[filled[0]]].lstrip(), re.IGNORECASE):
            filled = filled[1:]  # a line for Excel alone: it says what stands between the fields
        self.titles = _titles([content[begins[i] : ends[i]].decode() for i in filled[:_MOST_TITLES]])
        filled = filled[self.titles :]
        if len(filled) < 2:
            raise UserError(_NO_ROWS)
        first = filled[0]
        self.separator = _separator(*(content[begins[line] : ends[line]].decode() for line in filled[:2]))
        self.content = content[begins[first] :]
        self._begins = np.append(begins, len(content) + 1) - begins[first]
        if b'"' in content and self.separator.encode() in content[begins[first] : ends[first]]:
            self.starts, self.widths = self._quoted(int(first) + 1)
        else:
            marks = np.flatnonzero(signs == ord(self.separator))
            self.starts = filled + 1
            self.widths = np.searchsorted(marks, ends[filled]) - np.searchsorted(marks, begins[filled]) + 1
        first = np.frombuffer(self.content, dtype=np.uint8)[self._begins[self.starts - 1]]
        perhaps = np.flatnonzero(np.isin(first, list(_NO_FIELD)))
        self.leave_out([row for row in perhaps if row and not self._line(row).strip(_NO_FIELD + b"\n")])
        if len(self.starts) < 2:
            raise UserError(_NO_ROWS)

    def leave_out(self, rows: Sequence[int]) -> None:
        """Take ``rows`` (in order, not the header) out of the content; the others keep their lines."""
        pieces, kept, cut = [], 0, np.zeros(len(self._begins), dtype=int)
        for row in rows:
            begin = self._begins[self.starts[row] - 1]
            end = begin + len(self._line(row))
            pieces.append(self.content[kept:begin])
            cut[self.starts[row + 1] - 1 if row + 1 < len(self.starts) else -1] += end - begin
            kept = end
        self.content = b"".join([*pieces, self.content[kept:]]) if pieces else self.content
        self._begins = self._begins - cut.cumsum()
        self.starts, self.widths = np.delete(self.starts, rows), np.delete(self.widths, rows)

    def _line(self, row: int) -> bytes:
        """The bytes of a row, with blank lines below it."""
        end = self._begins[self.starts[row + 1] - 1] if row + 1 < len(self.starts) else self._begins[-1]
        return self.content[self._begins[self.starts[row] - 1] : end]

    def _quoted(self, line: int) -> tuple[np.ndarray, np.ndarray]:
        """``starts`` and ``widths`` of a text with quotes, whose header is on ``line``."""
        starts, widths, begin = [], [], line
        largest = csv.field_size_limit(len(self.content) + 1)
        reader = csv.reader(
            io.TextIOWrapper(io.BytesIO(self.content), "utf-8", newline=""), delimiter=self.separator, strict=True
        )
        try:
            for row in reader:
                if len(row) > 1 or (row and row[0].strip()):
                    starts.append(begin)
                    widths.append(len(row))
                begin = line + reader.line_num
        except csv.Error as error:
            raise UserError(f"line {begin}: a quote that is not closed or closed too early ({error})") from None
        finally:
            csv.field_size_limit(largest)
        return np.array(starts), np.array(widths)

    def fields(self, row: int) -> list[str]:
        """The fields of one row (0: the header) as text."""
        line = re.sub(r"(\n[ \t]*)+$", "", self._line(row).decode())  # the line's end, and blank ones below it
        if '"' not in line:
            return line.split(self.separator)
        largest = csv.field_size_limit(len(line) + 1)
        try:
            return next(csv.reader(io.StringIO(line, newline=""), delimiter=self.separator))
        finally:
            csv.field_size_limit(largest)

    def remarks_below(self) -> list[int]:
        """Rows at the end that are a single field of a table of more, and begin with a sign or a letter where others,
        of which the one in the middle tells, begin with a digit: no row that is cut off does."""
        last = end = len(self.starts)
        while last > 2 and self.widths[last - 1] == 1 < self.widths[0] and not self._begins_with_digit(last - 1):
            last -= 1
        return [*range(last, end)] if self._begins_with_digit((last + 1) // 2) else []

    def _begins_with_digit(self, row: int) -> bool:
        return self.fields(row)[0].strip()[:1].isdigit()

    def refuse_ragged(self) -> None:
        """Raise UserError if a row has more or fewer fields than the header: its values would end up in wrong
        columns."""
        widths, width = self.widths, self.widths[0]
        for wrong, cause in ((widths > width, self._surplus), (widths < width, self._lack)):
            rows = np.flatnonzero(wrong)
            if len(rows):
                row = rows[0]
                fields = "field" if widths[row] == 1 else "fields"
                raise UserError(
                    f"line {self.starts[row]}: {widths[row]} {fields}, the header has {width}{more(len(rows) - 1)}; "
                    f"{self._remark(rows) or cause(rows)}"
                )

    def _remark(self, rows: np.ndarray) -> str:
        """What helps where a line that is no row has a sign of remarks in front: the header's, or the first of ``rows``
        with another width than it."""
        if self.fields(0)[0].lstrip().startswith(_REMARKS) and len(rows) == len(self.starts) - 1:
            return f"is line {self.starts[0]} a comment? Remove it"
        if self.fields(rows[0])[0].lstrip().startswith(_REMARKS):
            return "is it a comment? Remove it"
        rest = np.arange(rows[0], len(self.starts))
        alike = np.array_equal(rows, rest) and len(set(self.widths[rows])) == 1 and 2 * len(rows) > len(self.starts)
        if alike and not any(is_number(field) or looks_like_date(field) for field in self.fields(rows[0])):
            return "are these the column names? Remove the lines above them"
        return ""

    def _surplus(self, rows: np.ndarray) -> str:
        """What probably made rows too long, and what helps."""
        header = [name.strip().lower() for name in self.fields(0)]
        some = [[field.strip() for field in self.fields(row)] for row in rows[:200]]
        surplus = len(some[0]) - len(header)
        if all(not any(row[len(header) :]) for row in some):
            return "the rows end in a separator that the header lacks; remove it, or name the column"
        if surplus == 1 and self._lacks_first_name(header, some[0]):
            return (
                "the header seems to lack the name of the first column (an index, or row names as R's write.table "
                "writes them); put one in front"
            )
        if not is_number(some[0][0]) and (looks_like_date(", ".join(some[0][:2])) or _in_two(some[0])):
            return "is there a comma within the dates? Put them in quotes"
        if self.separator == "," and (pieces := _pieces(some, len(header))):
            what = (
                "a decimal comma"
                if any(len(piece) != 3 for piece in pieces)
                else "a thousands separator or decimal comma"
            )
            return f"{what}? Write numbers like 1234.5, or separate the fields by semicolons"
        return f"what follows {plain(some[0][len(header) - 1])!r}, {plain(some[0][len(header)])!r}, has no column"

    def _lacks_first_name(self, header: list[str], row: list[str]) -> bool:
        """Whether a row that is one field too long would fit a header with one name more in front."""
        if looks_like_date(row[0]):
            return not any(name in DATE_NAMES for name in header) and is_number(row[-1].replace(",", "."))
        return row[0].isdigit() and any(looks_like_date(field) for field in row[1:])

    def _lack(self, rows: np.ndarray) -> str:
        if not self.fields(0)[-1].strip() and (self.widths[1:] == self.widths[0] - 1).all():
            return "the header ends in a separator that the rows lack; remove it"
        last = rows[0] == len(self.starts) - 1
        return (
            "the file seems to be cut off there, or to end with a comment"
            if last
            else "is the row cut off, or a separator missing?"
        )


def _separator(head: str, below: str) -> str:
    """What the fields of a header are separated by, judged by it and the line below; a comma among others that both
    have as often may be one of decimals, or stand within a name."""
    head, below = (re.sub(r'"[^"]*"', "", line) for line in (head, below))
    shared = [sign for sign in reversed(SEPARATORS) if 0 < head.count(sign) == below.count(sign)]
    return max(shared or SEPARATORS, key=head.count)  # of those that occur as often the first


def _in_two(row: list[str]) -> bool:
    """Whether a row begins with a word and a date: a day of the week, in any language."""
    return row[0].strip(".").isalpha() and looks_like_date(row[1])


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


def _spaces(content: bytes, blank: Sequence[slice]) -> bytes:
    """``content`` with spaces alone in its ``blank`` lines: tabs alone are a row to pandas where tabs separate."""
    if not any(b"\t" in content[line] for line in blank):
        return content
    changed = bytearray(content)
    for line in blank:
        changed[line] = b" " * (line.stop - line.start)
    return bytes(changed)


def _titles(lines: list[str]) -> int:
    """How many of the first lines stand above the table: those without a separator within them, and remarks that are
    not the header, as what follows is a row of values with as many fields."""
    for number, (whole, next_one) in enumerate(pairwise(lines)):
        line, below = (re.sub(r'"[^"]*"', '""', text) for text in (whole, next_one))
        separator = _separator(below, line)
        is_remark = _REMARK.match(whole) is not None
        other = _REMARK.match(next_one) is not None or line.count(separator) != below.count(separator)
        cells = [cell.strip(' "') for cell in next_one.split(separator)]
        other |= not any(is_number(cell) or looks_like_date(cell) for cell in cells)
        alone = not any(sign in line.rstrip("".join(SEPARATORS) + " ") for sign in SEPARATORS)
        if not (alone or (is_remark and other)):
            return number
    return 0
