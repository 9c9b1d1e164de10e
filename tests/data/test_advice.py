"""What is said of a cell in the column of dates that is none."""

import pandas as pd
import pytest

from tsprune.data.checks import check_csv

GOOD = [f"2020-01-{day:02d}" for day in range(1, 32)]


def problems_of(cells: list[str], name: str = "date") -> tuple[str, ...]:
    rows = "".join(f'"{cell}",{i}\n' for i, cell in enumerate(cells))
    return check_csv(f"{name},x\n{rows}".encode()).problems


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("1921-22", "write years as the day they begin with"),
        ("FY21", "write years as the day they begin with"),
        ("1920s", "write years as the day they begin with"),
        ("2020.1", "write quarters like 2020Q1, and months like 2020-05"),
        ("1.2020", "write quarters like 2020Q1, and months like 2020-05"),
        ("I 2020", "write quarters like 2020Q1, and months like 2020-05"),
        ("T1 2020", "write quarters like 2020Q1"),
        ("Week 5, 2020", "write weeks like 2020-W05"),
        ("Sa, 1.2.2020", "'Sa,' beside the date is not read; remove it"),
        ("2020-02-01 (Sat)", "'(Sat)' beside the date is not read; remove it"),
        ("Jan-Mar 2020", "write dates like 2020-12-31 23:00"),
        ("2020-01-01 12:00 CEST", "time zone names are not read; write offsets like"),
        ("1. ledna 2020", "month names are read in English and Western European languages"),
        ("2020-02-30", "there is no such day"),
        ("1399-02-31", "(are its years of another calendar?)"),
        ("29/2/2563", "(are its years of another calendar?)"),
        *(
            (cell, "write quarters like 2020Q1")
            for cell in ("FY1990 Q1", "1980Q01", "1980-T1", "1. kvartal 1980", "Q1, 1980")
        ),
        *((cell, "write quarters like 2020Q1") for cell in ("Quarter 1 1980", "1er trimestre 1980", "1980-IV")),
        *((cell, "write weeks like 2020-W05") for cell in ("13/2015", "uge 2 2015", "2. KW 2015")),
        ("2020-02-01, Saturday", "'Saturday' beside the date is not read; remove it"),
        ("737456", "numbers are read as dates where they are like 20201231"),
        ("201553", "write weeks like 2020-W05"),
        ("2020-03-01T00:00:00+01:00[Europe/Berlin]", "time zone names are not read; write offsets like"),
        ("2458849.5", "with four digits of the year in front, or seconds (thousandths, ...) since 1970"),
        ("250101003000", "are like 20201231 or 202012312300, with four digits of the year in front"),
        ("Tue 2020-01-01", "it falls on another day of the week"),
        ("2020-01-01 12:00+25:00", "there is no such day, time or offset"),
    ],
)
def test_a_cell_is_told_how_to_be_written_in_one_line(cell, advice):
    (problem,) = problems_of([cell] * 20)
    assert problem.startswith(f"line 2, column 'date': '{cell}' is not a date (and 19 more); ") and advice in problem


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ([f"{1900 + i}/{i + 1:02d}" for i in range(19)], "line 2, column 'date': '1900/01' is not a date (and 18"),
        ([f"{week}" for week in range(201501, 201553)], "line 14, column 'date': '201513' is not a date (and 39"),
        ([f"2020-{day:02d}-01" for day in range(1, 32)], "line 14, column 'date': '2020-13-01' is not a date (and 18"),
        (
            ["2020-01-01 00:00", *(f"2020-01-{day:02d} 00:00+01:00" for day in range(2, 20))],
            "line 2, column 'date': '2020-01-01 00:00' is not a date; it is not written as others are; write dates",
        ),
    ],
)
def test_the_cell_that_is_shown_is_one_that_cannot_be_read(cells, problem):
    assert problems_of(cells)[0].startswith(problem)


@pytest.mark.parametrize(
    ("cells", "advice"),
    [
        (["20d", *GOOD], "is it a second line of names, or one of units? Remove it"),
        (["", *GOOD], "is it a second line of names, or one of units? Remove it"),
        ([*GOOD, "31 rows selected."], "does the file end with a sum or a comment? Remove it"),
        ([*GOOD, "As of 2020-02-01"], "does the file end with a sum or a comment? Remove it"),
        ([*GOOD, ""], "does the file end with a sum or a comment? Remove it"),
        ([*GOOD[:9], "# a gap", *GOOD[9:]], "is the line a comment? Remove it"),
        ([*GOOD[:9], "date", *GOOD[9:]], "are these the column names again? Remove the line"),
        ([*GOOD[:9], "at noon", *GOOD[9:]], "write dates like 2020-12-31 23:00, all in the same way"),
    ],
)
def test_a_line_that_is_no_row_is_told_what_it_may_be(cells, advice):
    assert any(advice in problem for problem in problems_of(cells))


@pytest.mark.parametrize(
    ("written", "start"),
    [("%y%m%d%H%M", "2025-01-03"), ("%d%m%y%H%M", "2025-01-03"), ("%y%m%d%H%M%S", "1999-01-03")],
)
def test_days_of_two_digit_years_and_a_time_are_no_counts_since_1970(written, start):
    cells = pd.date_range(start, periods=25, freq="D").strftime(written)  # as a count even too
    (problem,) = problems_of(cells)
    assert problem.startswith(f"line 2, column 'date': '{cells[0]}' (and 24 more) may count from 1970 to ")
    assert problem.endswith("a year of two digits and a time; write dates like 202012312300 or 2020-12-31 23:00")


@pytest.mark.parametrize("step", ["1min", "1h", "1D", "7D"])
@pytest.mark.parametrize("rows", [3, 100])
def test_seconds_since_1970_are_dates(step, rows):
    stamps = pd.date_range("2015-01-01", periods=rows, freq=step)
    assert problems_of([f"{stamp.timestamp():.0f}" for stamp in stamps]) == ()
