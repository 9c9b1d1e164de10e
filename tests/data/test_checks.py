import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.data import check_dataset, load_table
from tsprune.data.as_options import in_options
from tsprune.data.checks import check_csv
from tsprune.errors import UserError
from tsprune.shown import plain as shown


def rows_of(periods: int = 30, freq: str = "1h", start: str = "2020-01-01", sep: str = " ") -> list[list[str]]:
    dates = pd.date_range(start, periods=periods, freq=freq)
    return [[str(date).replace(" ", sep), f"{i * 0.5}", f"{10 + i % 7}"] for i, date in enumerate(dates)]


def csv_of(rows: list[list[str]], header: str = "date,a,b") -> bytes:
    return (header + "\n" + "\n".join(",".join(row) for row in rows) + "\n").encode()


def problems_of(content: bytes, **options) -> list[str]:
    return list(check_csv(content, **options).problems)


def write(path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def test_a_good_file_has_no_problem():
    checked = check_csv(csv_of(rows_of()))
    assert checked.problems == () and checked.notes == ()
    assert checked.time_step == "1h"
    assert checked.frame.shape == (30, 2) and checked.frame["a"].tolist() == [i * 0.5 for i in range(30)]


def test_a_missing_hour_a_text_column_and_a_duplicate_stamp_give_three_lines(tmp_path):
    rows = rows_of()
    for row in rows:
        row.append("Berlin")
    rows[20][0] = rows[19][0]  # the time of line 21 again on line 22, so that of line 22 is absent
    path = write(tmp_path / "mine.csv", csv_of(rows, "date,a,b,city"))
    with pytest.raises(UserError) as error:
        load_table(path)
    assert str(error.value).splitlines() == [
        "mine.csv: line 2, column 'city': 'Berlin' is not a number, nor is any other value of this column; "
        "remove or encode the column, or name the columns to take, such as columns=['a', 'b']",
        "mine.csv: line 22: the time 2020-01-01 19:00:00 is already on line 21; keep one row per time",
        "mine.csv: after line 22: the time 2020-01-01 20:00:00 is missing at a time step of 1h; "
        "add the rows, or have gaps filled (missing: interpolate)",
    ]
    checked = check_dataset(path)
    assert not checked.ok and list(checked) == str(error.value).splitlines()


def test_every_kind_of_problem_is_found_in_one_go():
    rows = rows_of(40)
    rows[3][1] = "abc"
    rows[5][2] = ""
    rows[6][2] = ""
    rows[8][1] = "inf"
    rows[10][0] = "soon"
    rows[12], rows[13] = rows[13], rows[12]
    rows[30][0] = rows[29][0]
    problems = problems_of(csv_of(rows))
    starts = [
        "line 12, column 'date': 'soon' is not a date; write",
        "line 5, column 'a': 'abc' is not a number",
        "line 10, column 'a': infinite",
        "line 7, column 'b': no value (and 1 more); fill it in",
        "line 32: the time 2020-01-02 05:00:00 is already on line 31",
        "line 15: the time 2020-01-01 12:00:00 comes before that of the line above",
    ]
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(start)


@given(st.data())
def test_a_row_that_is_taken_away_is_named(data):
    rows = rows_of(40, freq=data.draw(st.sampled_from(["10min", "15min", "1h", "1D", "7D"])))
    gone = data.draw(st.integers(1, 38))
    when, daily = rows.pop(gone)[0], all(row[0].endswith("00:00:00") for row in rows)
    (problem,) = problems_of(csv_of(rows))
    assert problem.startswith(f"after line {gone + 1}: the time {when[:10] if daily else when} is missing")


@given(st.integers(0, 29), st.sampled_from(["a", "b"]), st.sampled_from(["", "x", "inf"]))
def test_a_bad_cell_is_named_by_line_and_column(row, column, cell):
    rows = rows_of()
    rows[row][["date", "a", "b"].index(column)] = cell
    (problem,) = problems_of(csv_of(rows))
    assert problem.startswith(f"line {row + 2}, column '{column}': ")


@pytest.mark.parametrize("freq, step", [("MS", "MS"), ("ME", "ME"), ("YS", "YS"), ("15min", "15min"), ("7D", "7D")])
def test_the_time_step_is_detected(freq, step):
    checked = check_csv(csv_of(rows_of(36, freq, "2001-01-01")))
    assert checked.problems == () and checked.time_step == step


def test_a_missing_month_is_named():
    rows = rows_of(36, "MS")
    del rows[7]
    assert problems_of(csv_of(rows))[0].startswith("after line 8: the time 2020-08-01 is missing")


def test_a_time_step_can_be_given():
    daily = csv_of(rows_of(20, "1D", "2020-01-06"))
    assert problems_of(daily, time_step="12h")[0].startswith("after line 2: the time 2020-01-06 12:00:00 is missing")
    working_days = csv_of(rows_of(20, "B", "2020-01-06"))
    assert problems_of(working_days) == problems_of(working_days, time_step="B") == []
    assert "is missing at a time step of 1D (and 5 more)" in problems_of(working_days, time_step="1D")[0]
    with pytest.raises(UserError, match="time_step = 'often': not a time step"):
        check_csv(daily, time_step="often")


def test_a_time_off_the_grid_is_named():
    rows = rows_of()
    rows[9][0] = "2020-01-01 09:20:00"
    (problem,) = problems_of(csv_of(rows))
    assert problem.startswith("line 11: the time 2020-01-01 09:20:00 is not a whole number of steps of 1h after")


@pytest.mark.parametrize("header", ["date,a,b", "Timestamp,a,b", "when,a,b", ",a,b"])
def test_the_date_column_is_found_by_name_or_by_its_values(header):
    assert problems_of(csv_of(rows_of(), header)) == []


def test_the_date_column_can_be_given_and_need_not_be_the_first():
    rows = [[b, a, date] for date, a, b in rows_of()]
    assert check_csv(csv_of(rows, "b,a,when")).frame.columns.tolist() == ["b", "a"]
    assert check_csv(csv_of(rows, "b,a,when"), date_column="when").problems == ()
    with pytest.raises(UserError, match="unknown date column 'wen'; did you mean 'when'"):
        check_csv(csv_of(rows, "b,a,when"), date_column="wen")


@pytest.mark.parametrize(
    "pattern, note", [("%Y-%m-%dT%H:%M:%S", None), ("%Y/%m/%d %H:%M", None), ("%d.%m.%Y %H:%M", "day")]
)
def test_ways_to_write_dates(pattern, note):
    dates = pd.date_range("2020-01-01", periods=800, freq="1h")
    checked = check_csv(csv_of([[date.strftime(pattern), str(i), "1"] for i, date in enumerate(dates)]))
    assert checked.problems == () and checked.dates.equals(dates)
    assert any("day before the month" in text for text in checked.notes) == (note is not None)


def test_times_with_an_offset_become_utc():
    rows = [[f"2020-03-29 {hour:02d}:00:00+02:00", "1", str(hour)] for hour in range(3, 12)]
    checked = check_csv(csv_of(rows))
    assert checked.dates[0] == pd.Timestamp("2020-03-29 01:00") and "times are converted to UTC" in checked.notes


def test_a_constant_column_is_a_note_only(tmp_path):
    rows = rows_of(200)
    for row in rows:
        row[2] = "4.5"
    table = load_table(write(tmp_path / "flat.csv", csv_of(rows)))
    assert "column 'b' is constant (4.5): it is scaled to 0" in table.notes


@pytest.mark.parametrize(
    "content, text",
    [
        (b"", "the file has no rows"),
        (b"date,a\n", "the file has no rows"),
        (b"date\n2020-01-01\n", "line 1: only one column"),
        (b"date a\n2020-01-01 3\n2020-01-02 4\n", "are the fields separated by spaces? Separate them by commas"),
        (b"date,a,a\n2020-01-01,1,2\n", "column 'a' occurs 2 times"),
        (b"a,b\n1,2\n3,4\n", "no column of dates found; columns: a, b"),
        (b"date,a\n2020-01-01,1\n2020-01-02,2,3\n", "line 3: 3 fields, the header has 2"),
        ("date,gr\u00f6\u00dfe\n2020-01-01,1\n".encode("latin-1"), "line 1: not UTF-8"),
    ],
)
def test_what_is_no_table_is_said_in_one_line(content, text):
    with pytest.raises(UserError) as error:
        check_csv(content)
    assert text in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content, text",
    [
        (b"date,a\n2020-01-01,1\n2020-01-02,2\n", "only 2 different times; a series needs at least 3"),
        (b"date,a\n201,1\n202,2\n203,2\n", "line 2, column 'date': '201' is not a date (and 2 more)"),
        (b"date,a,\n2020-01-01,1,1\n2020-01-02,2,1\n2020-01-03,2,1\n", "line 1: column 3 has no name"),
        (b"date,a,b\n2020-01-01,1,\n2020-01-02,2,\n2020-01-03,2,\n", "column 'b' has no values"),
    ],
)
def test_other_problems(content, text):
    assert any(text in problem for problem in problems_of(content))


def test_empty_lines_and_a_byte_order_mark_do_not_shift_the_line_numbers():
    content = b"\xef\xbb\xbfdate,a\n\n2020-01-01,1\n2020-01-02,2\n\n2020-01-03,x\n2020-01-04,4\n"
    (problem,) = problems_of(content)
    assert problem.startswith("line 6, column 'a': 'x' is not a number")


# Whole tables


def test_a_users_csv_is_a_table(tmp_path):
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(gzip.compress(csv_of([[d, b, a] for d, a, b in rows_of(100)], "date,OT,load")))
    table = load_table(str(path))
    assert table.name == "mine" and table.source == "mine.csv.gz (own file)"
    assert table.columns == ("load", "OT") and "column 'OT' is moved last" in table.notes
    assert table.split.borders(100) == ((0, 70), (70, 80), (80, 100))
    assert load_table(str(path), columns=["OT", "load"]).columns == ("OT", "load")
    plain = write(tmp_path / "mine.csv", csv_of([[d, b, a] for d, a, b in rows_of(100)], "date,OT,load"))
    assert load_table(plain).fingerprint == table.fingerprint


def test_a_file_in_the_working_directory_needs_no_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "series.txt").write_bytes(csv_of(rows_of()))
    assert load_table("series.txt").name == "series.txt"
    with pytest.raises(UserError, match=r"nothing\.csv: there is no such file"):
        load_table("nothing.csv")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (3, "none of the 3 is in the test split; a study needs at least 5 rows"),
        (4, "none of the 4 is in the test split; a study needs at least 5 rows"),
        (5, None),
    ],
)
def test_a_split_that_is_empty_is_told_with_the_rows_that_it_takes(tmp_path, rows, words):
    """Of 4 rows int(2.8) train and int(0.8) test, of 5 three train, one validates, one tests."""
    found = check_dataset(write(tmp_path / "mine.csv", csv_of(rows_of(rows))))
    assert found.ok == (words is None)
    if words:
        (line,) = found
        assert line.startswith("mine: too few rows: ") and words in line


def test_a_folder_is_told_to_be_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for name in ("mine", "./mine", str(tmp_path / "mine"), "mine/"):
        assert check_dataset(name).problems == (f"{shown(name)}: that is a folder; name a file in it",)
    assert check_dataset("").problems[0].startswith("unknown dataset ''")


def test_the_file_that_a_mistyped_name_may_mean_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "load.csv").touch()
    for name in ("load.cvs", "load", "laod"):
        (problem,) = check_dataset(name).problems
        assert problem.endswith("or give the path of a CSV file; did you mean 'load.csv'?"), name
    (tmp_path / "etth1.csv").touch()
    assert check_dataset("etth1").problems[0].count("did you mean") == 1  # of the catalogue


def test_interpolate_fills_gaps_and_blocks_long_ones(tmp_path):
    rows = rows_of(100)
    rows[30][1] = ""
    rows = rows[:10] + rows[14:50] + rows[57:]
    table = load_table(write(tmp_path / "gaps.csv", csv_of(rows)), missing="interpolate")
    assert table.values.shape == (100, 2)  # noqa: PD011
    np.testing.assert_allclose(table.values[:, 0], np.arange(100) * 0.5)  # noqa: PD011
    assert np.flatnonzero(table.blocked).tolist() == list(range(50, 57))
    assert "11 missing time stamps are added" in table.notes
    assert any("7 rows lie in gaps of more than six hours" in note for note in table.notes)


def test_interpolate_does_not_hide_other_problems(tmp_path):
    rows = rows_of()
    rows[4][0] = rows[3][0]
    with pytest.raises(UserError, match="line 6: the time 2020-01-01 03:00:00 is already on line 5"):
        load_table(write(tmp_path / "twice.csv", csv_of(rows)), missing="interpolate")


def test_the_fingerprint_is_that_of_the_cleaned_values(tmp_path):
    first = load_table(write(tmp_path / "a.csv", csv_of(rows_of(100))))
    again = load_table(write(tmp_path / "b.csv", csv_of(rows_of(100))))
    later = load_table(write(tmp_path / "c.csv", csv_of(rows_of(100, start="2020-01-02"))))
    changed = rows_of(100)
    changed[50][1] = "25.000001"
    other = load_table(write(tmp_path / "d.csv", csv_of(changed)))
    named = load_table(write(tmp_path / "e.csv", csv_of(rows_of(100), "date,a,c")))
    assert first.fingerprint == again.fingerprint and len(first.fingerprint) == 64
    assert len({table.fingerprint for table in (first, later, other, named)}) == 4


@pytest.mark.parametrize(
    "name, options, text",
    [
        ("etth1", {}, "unknown dataset 'etth1'; did you mean 'ETTh1'"),
        ("Wether", {}, "did you mean 'Weather'"),
        ("\x1b[31mETTh1", {}, r"unknown dataset '\\x1b\[31mETTh1'; did you mean 'ETTh1'"),
        ("ETTh1", {"missing": "ignore"}, "unknown way to treat missing values 'ignore'"),
        ("ETTh1", {"missing": "interpolate"}, "for a CSV of your own"),
        ("ETTh1", {"date_column": "date"}, "for a CSV of your own"),
        ("ETTh1", {"time_step": "1h"}, "for a CSV of your own"),
        ("ETTh1", {"date_order": "dmy"}, "for a CSV of your own"),
        ("ETTh1", {"encoding": "utf-8"}, "for a CSV of your own"),
        ("synthetic", {"columns": ["load_1", "load_9"]}, "synthetic: there is no column 'load_9'; did you mean 'load_"),
        ("synthetic", {"columns": ["OT", "OT"]}, "name at least one column, and each once"),
        ("synthetic", {"columns": []}, "name at least one column, and each once"),
    ],
)
def test_options_that_do_not_fit_are_named(name, options, text):
    with pytest.raises(UserError, match=text):
        load_table(name, **options)


def test_check_says_what_a_good_dataset_is(tmp_path):
    checked = check_dataset(write(tmp_path / "mine.csv", csv_of(rows_of(100))))
    assert checked.ok
    assert list(checked) == [
        "mine: 100 rows x 2 columns, 2020-01-01 00:00:00 to 2020-01-05 03:00:00, step 1h",
        "source: mine.csv (own file)",
        "columns: a, b",
        "rows: train 0 to 69, val 70 to 79, test 80 to 99",
        "ok",
    ]


def test_check_of_the_catalogue_carries_the_defects():
    lines = list(check_dataset("synthetic"))
    assert "note: made up: numbers from it say nothing about real data" in lines and lines[-1] == "ok"
    assert not check_dataset("ETTh11").ok


# Whatever a file holds: nothing is read as something else


def refused(path: str, **options) -> list[str]:
    """The problems that a check finds: the very lines with which loading refuses the file."""
    checked = check_dataset(path, **options)
    with pytest.raises(UserError) as error:
        load_table(path, **options)
    assert not checked.ok and list(checked) == str(error.value).splitlines()
    return list(checked)


def test_a_check_takes_every_option_of_loading(tmp_path):
    days = pd.date_range("2020-02-03", periods=60, freq="B").delete(7)
    values = ["x" if i == 9 else "-999,0" if i == 20 else f"{i % 7},5" for i in range(59)]
    lines = [f"{i % 5};{day:%d.%m.%y};{value}" for i, (day, value) in enumerate(zip(days, values, strict=True))]
    path = write(tmp_path / "mine.csv", "\n".join(["größe;tag;wert", *lines]).encode("latin-1"))
    assert refused(path) == [
        "mine.csv: line 1: not UTF-8 text; give its encoding (encoding='cp1252' for Western Windows, 'latin-1', "
        "'utf-16'), or save the file as UTF-8"
    ]
    options = {"encoding": "latin-1", "date_column": "tag", "time_step": "B", "date_order": "dmy"}
    starts = [problem.split(";")[0] for problem in refused(path, **options)]
    assert starts == [
        "mine.csv: line 11, column 'wert': 'x' is not a number",
        "mine.csv: after line 8: the time 2020-02-12 is missing at a time step of B",
        "mine.csv: line 22, column 'wert': -999 looks like 'no reading'",
    ]
    table = load_table(path, **options, columns=["größe"], missing="interpolate")
    assert check_dataset(path, **options, columns=["größe"], missing="interpolate").ok
    assert table.columns == ("größe",) and len(table.dates) == 60 and "1 of 2 columns are used" in table.notes


def test_columns_that_are_no_series_are_left_out_by_naming_the_others(tmp_path):
    rows = [[date, a, b, "north", date.replace(":00", ":03"), str(i)] for i, (date, a, b) in enumerate(rows_of())]
    path = write(tmp_path / "mine.csv", csv_of(rows, "date,a,b,site,received,id"))
    choose = "or name the columns to take, such as columns=['a', 'b']"
    told = refused(path)
    assert [problem.split("'")[1] for problem in told] == ["site", "received"]
    assert all(problem.endswith(choose) for problem in told)
    assert in_options(told[0]).endswith("such as --columns a,b")
    table = load_table(path, columns=["b", "a"])
    assert (table.columns, table.offered) == (("b", "a"), 5) and load_table("synthetic").offered is None
    for columns, say in (
        (["a", "site"], "not a number, nor is any other value of this column; remove or encode the column$"),
        (["a", "date"], "column 'date' holds the dates: it cannot be one of the columns of values, too"),
        (["a", "sit"], "there is no column 'sit'; did you mean 'site'?"),
        (["id", "a"], "column 'id' counts the rows and is no series; leave it out of the columns"),
        (["a", "a"], "name at least one column, and each once"),
    ):
        with pytest.raises(UserError, match=f"^mine.csv: .*{say}"):
            load_table(path, columns=columns)


def test_chosen_columns_of_a_dataset_are_not_called_like_the_whole():
    assert load_table("synthetic_short", columns=["OT", "load_1"]).name == "synthetic_short (2 of 7 columns)"
    assert load_table("synthetic_short", columns=load_table("synthetic_short").columns).name == "synthetic_short"


def test_values_that_look_like_no_reading_are_asked_about(tmp_path):
    rows = rows_of(100)
    rows[0][2] = rows[50][2] = "-9999"
    path = write(tmp_path / "mine.csv", csv_of(rows))
    assert refused(path) == [
        "mine.csv: line 2, column 'b': -9999 (and 1 more) looks like 'no reading'; missing: interpolate takes it as "
        "missing and fills it in; raw: true keeps it"
    ]
    kept, filled = load_table(path, raw=True), load_table(path, missing="interpolate")
    assert kept.values[[0, 50], 1].tolist() == [-9999, -9999]  # noqa: PD011
    assert filled.values[[0, 50], 1].tolist() == [11, 11]  # noqa: PD011
    assert "column 'b': 2 readings of -9999 are taken as missing" in filled.notes
    assert "2 missing values: 2 in 'b'" in filled.notes


@pytest.mark.parametrize("name", ["self", "cls", "kwargs", "columns"])
def test_a_column_with_codes_may_have_any_name(tmp_path, name):
    rows = rows_of(100)
    rows[50][2] = "-9999"
    table = load_table(write(tmp_path / "mine.csv", csv_of(rows, f"date,a,{name}")), missing="interpolate")
    assert table.columns == ("a", name) and table.values[50, 1] == 11  # noqa: PD011


@pytest.mark.parametrize("cell", ["", "-9999"])
def test_a_column_of_which_too_much_would_be_made_up_is_refused(tmp_path, cell):
    rows = rows_of(100)
    for row in rows[:52:4]:
        row[2] = cell
    path = write(tmp_path / "mine.csv", csv_of(rows))
    assert refused(path, missing="interpolate") == [
        "mine.csv: column 'b': 13% of its values would be filled in, at most 12.5% may be; remove it, or cut the file "
        "where it has none, or name the columns to take, such as columns=['a']"
    ]
    assert check_dataset(path, missing="interpolate", columns=["a"]).ok


def test_a_column_without_a_scale_is_refused_and_can_be_left_out(tmp_path):
    rows = [[date, a, "0" if i < 75 else a] for i, (date, a, _) in enumerate(rows_of(100))]
    path = write(tmp_path / "mine.csv", csv_of(rows))
    (problem,) = refused(path)
    assert problem.startswith("mine.csv: column 'b' is constant (0) in the train rows (the first 70)")
    assert load_table(path, columns=["a"]).columns == ("a",)


def test_the_train_rows_are_counted_with_the_absent_ones(tmp_path):
    rows = [[date, a, "0" if i < 72 else a] for i, (date, a, _) in enumerate(rows_of(100))]
    del rows[40:50:2]  # 95 rows are left: their first 70 would reach row 74 of the series
    path = write(tmp_path / "mine.csv", csv_of(rows))
    (problem,) = refused(path, missing="interpolate")
    assert problem.startswith("mine.csv: column 'b' is constant (0) in the train rows (the first 70)")


def test_dates_that_cannot_be_read_beside_absent_ones_are_what_is_named(tmp_path):
    rows = rows_of(100)
    rows[10][0] = rows[20][0] = "soon"
    path = write(tmp_path / "mine.csv", csv_of(rows))
    assert [problem.split(";")[0] for problem in refused(path, missing="interpolate")] == [
        "mine.csv: line 12, column 'date': 'soon' is not a date (and 1 more)"
    ]


def test_names_and_cells_are_shown_and_not_obeyed(tmp_path):
    rows = rows_of(30)
    rows[4][1] = "\x1b[2J" + "x" * 200_000
    path = write(tmp_path / "my\x1b[31m.csv", csv_of(rows, "date,a\x1b]0;owned\x07,b"))
    (problem,) = refused(path)
    assert problem.startswith(r"my\x1b[31m.csv: line 6, column 'a\x1b]0;owned\x07': '\x1b[2Jxxx")
    assert problem.isprintable() and len(problem) < 250
    rows[4][1] = "1"
    write(tmp_path / "my\x1b[31m.csv", csv_of(rows, "date,a\x1b]0;owned\x07,b"))
    assert all(line.isprintable() for line in check_dataset(path))
    assert load_table(path).columns == ("a\x1b]0;owned\x07", "b")


def test_an_ambiguous_date_is_refused_and_can_be_told(tmp_path):
    rows = rows_of(24)
    for row, date in zip(rows, pd.date_range("2020-02-05", periods=24, freq="1h"), strict=True):
        row[0] = f"{date:%d/%m/%Y %H:%M}"
    path = write(tmp_path / "mine.csv", csv_of(rows))
    (problem,) = refused(path)
    assert "choose with date_order='dmy' or date_order='mdy'" in problem
    for order, first in (("dmy", "2020-02-05"), ("mdy", "2020-05-02")):
        assert load_table(path, date_order=order).dates[0] == pd.Timestamp(first)


def test_an_order_that_others_fit_is_told():
    rows = [[f"{date:%d/%m/%Y}", "1", str(i % 7)] for i, date in enumerate(pd.date_range("2020-01-01", periods=40))]
    assert problems_of(csv_of(rows), date_order="mdy")[0] == (
        "line 14, column 'date': '13/01/2020' is not a date (and 18 more); it does not fit date_order='mdy', all do "
        "fit 'dmy'"
    )


def test_dates_that_are_no_dates_are_told_how_to_be(tmp_path):
    for cells, advice in (
        ([f"FY{year}" for year in range(1900, 1930)], "write years as the day they begin with, like 2020-01-01 or"),
        ([str(day) for day in range(43831, 43861)], "if they are Excel's, choose date_order='excel'"),
    ):
        path = write(tmp_path / "mine.csv", csv_of([[cell, "1", str(i % 7)] for i, cell in enumerate(cells)]))
        assert advice in refused(path)[0]
    table = load_table(path, date_order="excel")
    assert (str(table.dates[0]), table.time_step) == ("2020-01-01 00:00:00", "1D")


def test_years_of_another_calendar_are_pointed_out(tmp_path):
    cells = [f"1398-01-{day:02d}" for day in range(1, 32)]
    path = write(tmp_path / "mine.csv", csv_of([[cell, str(i), str(i % 7)] for i, cell in enumerate(cells)]))
    assert "years go from 1398 to 1398, as written: are they of another calendar?" in load_table(path).notes


def test_rows_of_several_series_are_told_apart_from_a_double_one():
    rows = [[f"2020-01-{day:02d}", str(series), str(day)] for day in range(1, 32) for series in (1, 2)]
    (problem,) = problems_of(csv_of(rows))
    assert problem.endswith("each series in a column of its own (as pandas' pivot does)")


def test_years_of_two_digits_whose_century_nothing_tells_are_that_one_problem():
    dates = pd.date_range("1960-01-01", "2009-12-01", freq="MS")
    rows = [[date.strftime("%b-%y"), str(i), str(i % 7)] for i, date in enumerate(dates)]
    assert problems_of(csv_of(rows)) == [
        "line 2, column 'date': 'Jan-60' (and 107 more) may be of 2060 or, as spreadsheets read it, of 1960; write "
        "years with four digits"
    ]
    assert problems_of(csv_of(rows[:100])) == [
        "line 2, column 'date': 'Jan-60' (and 99 more) may be of 2060 or, as spreadsheets read it, of 1960; write "
        "years with four digits"
    ]
    assert problems_of(csv_of(rows[120:])) == []  # 1970 on


@pytest.mark.parametrize("form", ["%d-%b", "%b-%d", "%B %d", "%d %b"])
@pytest.mark.parametrize("periods, freq", [(25, "1D"), (400, "1D"), (60, "7D")])
def test_days_without_a_year_are_no_years(form, periods, freq):
    dates = pd.date_range("2020-01-01", periods=periods, freq=freq)
    content = csv_of([[date.strftime(form), str(i % 5), str(i % 7)] for i, date in enumerate(dates)])
    order = "ym" if form.startswith("%d") else "my"
    assert problems_of(content) == [
        f"line 2, column 'date': '{dates[0].strftime(form)}' (and {periods - 1} more) may be of 2001 or a day without "
        f"its year; write years with four digits, or choose date_order='{order}' if years of two digits they are"
    ]


def test_years_of_two_digits_that_may_be_days_can_be_said_to_be_years():
    rows = [[f"{year:02d}-Jan", str(year), str(year % 7)] for year in range(1, 26)]
    assert "may be of 2001 or a day" in problems_of(csv_of(rows))[0]
    checked = check_csv(csv_of(rows), date_order="ym")
    assert not checked.problems and checked.time_step == "YS"


@pytest.mark.parametrize(("begin", "months"), [(80, ["Jan"]), (1, ["Jan", "Jul"])])
def test_months_and_years_of_two_digits_are_no_days(begin, months):
    years = range(begin, begin + 31)
    rows = [[f"{month}-{year % 100:02d}", str(year), str(year % 7)] for year in years for month in months]
    assert problems_of(csv_of(rows)) == []


@pytest.mark.parametrize("freq", ["1h", "1D", "MS"])
@pytest.mark.parametrize("written", ["%Y%m%d", "%Y%m%d%H%M", "seconds", "milliseconds", "spreadsheet", "years"])
def test_numbers_that_are_the_dates_once_more_are_no_series(freq, written):
    dates = pd.date_range("2020-01-01", periods=60, freq=freq)
    since = (dates - pd.Timestamp("1970-01-01")) // pd.Timedelta("1s")
    numbers = {
        "seconds": since,
        "milliseconds": since * 1000,
        "spreadsheet": (dates - pd.Timestamp("1899-12-30")).days,
        "years": [f"{date.year + (date.day_of_year - 0.5) / 366:.9g}" for date in dates],
    }.get(written, dates.strftime(written))
    rows = [[str(date), str(i % 7), str(numbers[i])] for i, date in enumerate(dates)]
    content = csv_of(rows)
    told = f"line 2, column 'b': {numbers[0]} is the date once more; a second column of dates; remove it"
    told += ", or name the columns to take, such as columns=['a']"
    assert problems_of(content)[0] == told
    assert problems_of(content, columns=["a"]) == []


def test_the_columns_to_take_instead_are_those_without_a_problem_however_alike_names_are_shown():
    begin = "load of the north of the country as measured by the operator of the grid, "
    content = csv_of([[f"2020-01-{day:02d}", "", str(day % 5)] for day in range(1, 32)], f"date,'{begin}1','{begin}2'")
    content = content.replace(b"'", b'"')
    assert problems_of(content, gaps_are_filled=True)[0].endswith(f"such as columns=[{begin + '2'!r}]")


def test_numbers_that_only_look_like_dates_are_a_series():
    rows = [[f"2020-01-{day:02d}", str(43000 + day), str(2020)] for day in range(1, 32)]
    assert problems_of(csv_of(rows)) == []


def test_years_of_two_digits_that_go_on_from_this_century_are_of_it():
    dates = pd.date_range("2028-01-01", "2035-12-01", freq="MS")
    rows = [[date.strftime("%b-%y"), str(i % 5), str(i % 7)] for i, date in enumerate(dates)]
    assert problems_of(csv_of(rows)) == []


@given(st.data())
def test_what_is_loaded_is_what_was_written(data):
    """Any way of writing a table comes out as that table, or is refused."""
    form = data.draw(
        st.sampled_from(["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%y %I:%M %p", "%Y%m%d%H"])
    )
    sep, decimal = data.draw(st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ","), ("|", ".")]))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    quote = data.draw(st.sampled_from(["", '"']))
    first = data.draw(st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2030-01-01"))).replace(minute=0, second=0)
    dates = pd.date_range(first, periods=60, freq="1h").floor("h")
    values = data.draw(st.lists(st.decimals(-100, 100, places=data.draw(st.integers(1, 4))), min_size=60, max_size=60))
    lines = [sep.join(["date", "x"]), *(
        f"{quote}{date.strftime(form)}{quote}{sep}{str(value).replace('.', decimal)}"
        for date, value in zip(dates, values, strict=True)
    )]  # fmt: skip
    try:
        checked = check_csv("\n".join(lines).encode(encoding))
    except UserError as error:
        assert "date_order=" in str(error) or "thousands" in str(error)
        return
    assert checked.dates.equals(dates.as_unit(checked.dates.unit))
    kept = [value for value, float_value in zip(values, checked.frame["x"], strict=True) if not np.isnan(float_value)]
    assert [float(value) for value in kept] == checked.frame["x"].dropna().tolist()


@pytest.mark.parametrize(
    ("freq", "names", "noted"),
    [
        ("D", [f"{hour:02d}:00" for hour in range(24)], True),
        ("D", [f"H{hour}" for hour in range(1, 25)], True),
        ("D", [f"{hour:02d}:{quarter:02d}" for hour in range(24) for quarter in (0, 15, 30, 45)], True),
        ("MS", [str(day) for day in range(1, 32)], True),
        ("YS", ["Jan", "Feb", "M\u00e4rz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"], True),
        ("YS", ["Q1", "Q2", "Q3", "Q4"], True),
        ("h", [f"H{hour}" for hour in range(1, 25)], False),
        ("D", [f"sensor {place}" for place in range(1, 25)], False),
        ("YS", ["a", "b", "c", "d"], False),
    ],
)
def test_parts_of_a_time_step_side_by_side_are_noted(freq, names, noted):
    dates = pd.date_range("2001-01-01", periods=20, freq=freq).strftime("%Y-%m-%d %H:%M")
    rows = [",".join([date, *(str(i * k % 7) for k in range(1, len(names) + 1))]) for i, date in enumerate(dates)]
    checked = check_csv("\n".join([",".join(["date", *names]), *rows]).encode())
    assert not checked.problems and list(checked.frame) == names
    assert any("if they are parts of it, turn the table" in note for note in checked.notes) == noted
