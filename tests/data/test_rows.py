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
    lines.insert(0, "a,b")
    filled = [number for number, line in enumerate(lines) if line.strip(' \t,;|"')]
    if len(filled) < 2:
        with pytest.raises(UserError, match="the file has no rows"):
            Rows("\n".join(lines))
        return
    rows = Rows("\n".join(lines))
    expected = [next(csv.reader([lines[number]], delimiter=rows.separator)) for number in filled]
    assert rows.starts.tolist() == [number + 1 for number in filled]
    assert rows.widths.tolist() == [len(fields) for fields in expected]
    assert [rows.fields(row) for row in range(len(filled))] == expected


@given(st.text(alphabet="a,;|\t", max_size=12))
def test_the_separator_is_the_one_that_the_header_has_most_of(names):
    header = f"a,{names}b"
    assert header.count(Rows(f"{header}\n1").separator) == max(map(header.count, ",;\t|"))


@pytest.mark.parametrize("header", ['"date";"x"', '"";"date";"x"', ";date;x"])
@pytest.mark.parametrize("row", ['"1";"2";"3,5"', '"1";"2";3,5'])
def test_what_a_quoted_line_begins_with_is_no_remark(header, row):
    lines = [header, *[row] * 3]
    assert Rows("\n".join(lines)).titles == 0
    assert Rows("\n".join(["A title", *lines])).titles == 1


def test_a_header_that_begins_with_its_separator_is_no_remark():
    assert Rows(";date;x;y\n0;Dec. 28, 2019;1,0;2,5\n1;Dec. 29, 2019;1,0;2,5").titles == 0


@pytest.mark.parametrize(
    ("lines", "separator"),
    [
        ("day;load, MW\n2020-01-01;50,13", ";"),
        ("day,a;b;c\n2020-01-01,50.13", ","),
        ("2020-01-01;50,13\n2020-01-02;50,14", ";"),
    ],
)
def test_the_row_below_tells_which_separator_it_is(lines, separator):
    assert Rows(lines).separator == separator


@pytest.mark.parametrize(
    ("above", "header"),
    [
        ("", "date,x"),
        ("", "# date,x"),
        ("a title", "date,x"),
        ("a title,,\n\n,,", "date,x"),
        ("# a\n# b, c, d", "date,x"),
        ("# a\n# b", "#date,x"),
        ("; made by a logger\n; in 2020", "date,x"),
        ("% a,b", "date,x"),
        ('"# a, b"', "date,x"),
    ],
)
def test_titles_and_remarks_above_the_names_are_left_out(above, header):
    rows = Rows(f"{above}\n{header}\n\n2020-01-01,1\n,\n2020-01-02,2")
    line = above.count("\n") + 2
    assert [rows.fields(row) for row in range(3)] == [header.split(","), ["2020-01-01", "1"], ["2020-01-02", "2"]]
    assert rows.starts.tolist() == [line, line + 2, line + 4]


@pytest.mark.parametrize("gone", [[1], [2], [3], [1, 2], [2, 3], [1, 3]])
def test_rows_that_are_left_out_do_not_move_the_others(gone):
    rows = Rows('a,b\n1,2\n\n"3",4\n5,6\n')
    kept = [row for row in range(4) if row not in gone]
    starts, fields = rows.starts[kept].tolist(), [rows.fields(row) for row in kept]
    rows.leave_out(gone)
    assert rows.starts.tolist() == starts and [rows.fields(row) for row in range(len(kept))] == fields
    assert [line.strip('"') for line in rows.content.decode().split() if line] == [
        ",".join(row).replace("3,", '3",') for row in fields
    ]


def test_rows_of_several_lines_are_counted_by_the_line_they_begin_on():
    rows = Rows('\na,"b\nc"\n\n1,"2\n\n3"\n4,5')
    assert rows.starts.tolist() == [2, 5, 8] and rows.widths.tolist() == [2, 2, 2]
    assert [rows.fields(row) for row in range(3)] == [["a", "b\nc"], ["1", "2\n\n3"], ["4", "5"]]
