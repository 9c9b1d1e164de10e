"""Cells as numbers, and columns that count the rows."""

import numpy as np
import pandas as pd
import pytest

from tsprune.data.cells import ReadCells, read_cells
from tsprune.data.parsing import parse_csv

DATES = pd.date_range("2020-01-01", periods=30, freq="h").strftime("%Y-%m-%d %H:%M")


def cells_of(cells: list[str], header: str = "date,x", fill: bool = False) -> ReadCells:
    lines = [f"{date},{cell}" for date, cell in zip(DATES, cells, strict=True)]
    return read_cells(parse_csv("\n".join([header, *lines]).encode()), fill)


@pytest.mark.parametrize(
    ("cell", "cause", "read"),
    [
        ('"0,13"', "a decimal comma? Write numbers like 1234.5, or separate the fields by semicolons", 0.13),
        ('"+0992,1"', "several numbers in one cell? Give each a column of its own", None),
        ('"1,000"', "a thousands separator or decimal comma? Write numbers like 1234.5", None),
        ('"1.000,5"', "thousands separators? Write numbers like 1234.5", 1000.5),
        ("5%", "write the number without a unit", 5),
        ("€5.10", "write the number without a unit", 5.1),
        ("5 kWh", "write the number without a unit", 5),
        ("-$5", "write the number without a unit", -5),
        ("USD 5.10", "write the number without a unit", None),
        ("5.1 W/m2", "write the number without a unit", None),
        ('"5,-"', "write the number without the sign for no cents", None),
        ("(5.10)", "a negative number? Write it like -1234.5", -5.1),
        ("5.10-", "a negative number? Write it like -1234.5", -5.1),
        ("1\u2019000", "thousands separators? Write numbers like 1234.5", 1000),
        ("1.5D+03", "an exponent as Fortran writes it? Write it like 1.5e+03", None),
        ("<0.5", "a bound is not a number; write a number, or leave the cell empty", None),
        ("\u22125", "its minus sign is not '-'", -5),
        ("#DIV/0!", "an error of a spreadsheet; write a number, or leave the cell empty", None),
        ("#REF!", "an error of a spreadsheet; write a number, or leave the cell empty", None),
        ("12:30", "times of day belong in the column of dates", None),
        ("2020-01-01", "a second column of dates; remove it", None),
    ],
)
def test_a_cell_that_is_no_number_is_named_with_what_probably_made_it_so_unless_all_are_such(cell, cause, read):
    shown = cell.strip('"')
    assert cells_of(["1"] * 9 + [cell] + ["2"] * 19 + ["two"]).problems == [
        f"line 11, column 'x': '{shown}' is not a number (and 1 more); {cause}"
    ]
    found = cells_of([cell] * 30)
    if read is not None:
        assert found.problems == [] and found.frame["x"].tolist() == [read] * 30
        assert found.notes == [f"column 'x': '{shown}' and similar cells are read as {read:g}"]
        return
    assert found.problems == [
        f"line 2, column 'x': '{shown}' is not a number, nor is any other value of this column; {cause}"
    ]


@pytest.mark.parametrize("cell", ["0x10", "1_000", "1.0D+03", "yes", "٣", "-", "1 00", "S1", "\x1b[2J"])
def test_no_other_notation_is_read_as_a_number(cell):
    found = cells_of(["1"] * 29 + [cell])
    assert np.isnan(found.frame["x"].iloc[29]) and "is not a number" in found.problems[0]
    assert "\x1b" not in found.problems[0]


def test_a_point_among_decimal_commas_is_no_number():
    content = "date;x\n" + "\n".join(
        f"{date};{cell}" for date, cell in zip(DATES, ["1,5"] * 29 + ["1.234"], strict=True)
    )
    found = read_cells(parse_csv(content.encode()), False)
    assert found.frame["x"].tolist()[:29] == [1.5] * 29
    assert found.problems[0].startswith(
        "line 31, column 'x': '1.234' is not a number; a decimal point among decimal commas"
    )


def test_whole_numbers_too_large_for_any_float_are_infinite_and_named():
    assert cells_of(["9" * 400] + ["1"] * 29).problems == [
        "line 2, column 'x': infinite; write a number, or leave the cell empty where nothing was measured"
    ]


def test_a_cell_of_spaces_is_empty():
    (problem,) = cells_of(["1"] * 28 + [" ", "\u00a0"]).problems
    assert problem.startswith("line 30, column 'x': no value (and 1 more); fill it in")


@pytest.mark.parametrize("word", ["n.a.", "missing", "No data", r"\N", "NULL", "?", "."])
def test_words_for_no_reading_are_empty_cells(word):
    assert cells_of([word] + ["1"] * 29).problems[0].startswith("line 2, column 'x': no value; fill it in, or")
    assert np.isnan(cells_of([word] + ["1"] * 29, fill=True).frame["x"].iloc[0])


def test_a_word_among_numbers_is_told_to_be_left_out():
    (problem,) = cells_of(["-"] + ["1"] * 28 + ["n.d."]).problems
    assert problem.endswith("write a number, or leave the cell empty where nothing was measured")


@pytest.mark.parametrize("cell", ['"1,234.50"', "5 %", "(5.10)"])
def test_a_word_among_numerals_is_what_is_named(cell):
    found = cells_of([*[cell] * 28, "-", "n.d."])
    assert found.problems == [
        "line 30, column 'x': '-' is not a number (and 1 more); write a number, or leave the cell empty where nothing "
        "was measured"
    ]
    assert np.isnan(found.frame["x"].iloc[28])


def test_whole_numbers_that_double_precision_rounds_are_said_to_be():
    found = cells_of([str(2**53 + 1 + 2 * i) for i in range(30)])
    assert found.notes == [
        "column 'x': 9007199254740993 is read as 9007199254740992 (and 29 more), the nearest in double precision"
    ]
    assert cells_of([str(2**60 + 2**20 * i) for i in range(30)]).notes == []


def test_truths_are_numbers_and_said_to_be():
    found = cells_of(["True", "False"] * 15)
    assert found.frame["x"].tolist() == [1.0, 0.0] * 15
    assert found.notes == ["column 'x': True and False are read as 1 and 0"]


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "unnamed: 0", "UNNAMED: 0.1", "index", "id", "Row", "NO"])
@pytest.mark.parametrize("begin", [0, 1])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_column_that_counts_the_rows_is_left_out_and_named_wherever_it_stands(name, begin, place):
    rows = [["date", "x"], *([date, str(i % 7)] for i, date in enumerate(DATES))]
    for row, cell in zip(rows, [name, *map(str, range(begin, 30 + begin))], strict=True):
        row.insert(place, cell)
    found = read_cells(parse_csv("\n".join(map(",".join, rows)).encode()), False)
    assert list(found.frame) == ["x"] and found.problems == []
    what = f"column '{name}'" if name and name[0] not in "uU" else f"column {place + 1}, without a name,"
    assert found.notes == [f"{what} counts the rows: it is left out"]


def test_an_index_that_pandas_has_written_twice_is_left_out_twice():
    content = "\n".join([",Unnamed: 0,date,x", *(f"{i},{i},{date},{i % 7}" for i, date in enumerate(DATES))])
    found = read_cells(parse_csv(content.encode()), False)
    assert list(found.frame) == ["x"] and found.problems == [] and len(found.notes) == 2


def test_lines_that_end_in_a_separator_make_no_column():
    content = "\n".join(["date;x;", *(f"{date};{i % 7};" for i, date in enumerate(DATES))])
    found = read_cells(parse_csv(content.encode()), False)
    assert list(found.frame) == ["x"] and found.problems == []
    assert found.notes == ["column 3 has neither a name nor a value: it is left out"]


def test_a_series_that_happens_to_count_is_kept():
    found = cells_of([str(i) for i in range(30)])
    assert found.frame["x"].tolist() == list(range(30))
    assert found.notes == ["column 'x' counts the rows and is kept; to leave it out name the others with columns"]
    for name, counted in (("id", range(5, 35)), ("id", range(30, 0, -1)), ("x", range(1950, 1980))):
        found = cells_of([str(i) for i in counted], f"date,{name}")
        assert found.frame[name].tolist() == list(counted)
        assert found.notes == [
            f"column '{name}' counts the rows and is kept; to leave it out name the others with columns"
        ]
    found = cells_of([str(i % 29) for i in range(30)], "date,NO")
    assert found.frame["NO"].tolist() == [*range(29), 0] and found.notes == []


def test_numbers_of_rows_of_which_some_were_left_out_are_noted():
    for cells in ([*range(29), 40], [i * 7 % 30 for i in range(30)]):
        found = cells_of([str(i) for i in cells], "date,index")
        assert found.frame["index"].tolist() == cells
        assert found.notes == [
            "column 'index' may number the rows and is kept; to leave it out name the others with columns"
        ]


def test_columns_without_a_name_are_named_by_their_place_in_the_file():
    content = "\n".join(["date,,x,", *(f"{date},{i % 5},{i % 7},1" for i, date in enumerate(DATES))])
    assert read_cells(parse_csv(content.encode()), False).problems == [
        "line 1: column 2 has no name; name it or remove it",
        "line 1: column 4 has no name; name it or remove it",
    ]
