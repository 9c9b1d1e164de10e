"""Where the rows of a CSV begin and how many fields each has, compared with reading line by line."""

import csv
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.data.rows import Rows
from tsprune.errors import UserError

LINES = st.lists(st.text(alphabet="aé1,;| \t", max_size=8), max_size=12)


@given(LINES, st.booleans())
def test_starts_and_widths_are_those_of_reading_line_by_line(lines, quotes):
    if quotes:
        lines = [re.sub(r"[;|\t]", ",", line) for line in lines]
        lines = [f'"x,\u20ac"{line}' if line[:1] == "," else line for line in lines]
    filled = [number for number, line in enumerate(lines) if line.strip(" \t")]
    if len(filled) < 2:
        with pytest.raises(UserError, match="the file has no rows"):
            Rows("\n".join(lines))
        return
    rows = Rows("\n".join(lines))
    expected = [next(csv.reader([lines[number]], delimiter=rows.separator)) for number in filled]
    assert rows.starts.tolist() == [number + 1 for number in filled]
    assert rows.widths.tolist() == [len(fields) for fields in expected]
    assert [rows.fields(row) for row in range(len(filled))] == expected


@given(LINES)
def test_the_separator_is_the_one_that_the_header_has_most_of(lines):
    header = next((line for line in lines if line.strip(" \t")), "")
    if len([line for line in lines if line.strip(" \t")]) > 1:
        assert header.count(Rows("\n".join(lines)).separator) == max(map(header.count, ",;\t|"))


def test_rows_of_several_lines_are_counted_by_the_line_they_begin_on():
    rows = Rows('\na,"b\nc"\n\n1,"2\n\n3"\n4,5')
    assert rows.starts.tolist() == [2, 5, 8] and rows.widths.tolist() == [2, 2, 2]
    assert [rows.fields(row) for row in range(3)] == [["a", "b\nc"], ["1", "2\n\n3"], ["4", "5"]]
