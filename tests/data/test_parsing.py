"""From bytes to a table: rows of the header's length, separators and decimal commas, encodings, line ends."""

import codecs
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.data import load_table
from tsprune.data.parsing import parse_csv, parse_frame
from tsprune.errors import UserError

STAMPS = pd.date_range("2020-01-01", periods=40, freq="h").strftime("%Y-%m-%d %H:%M")
LOAD = [f"{100 + 3.126 * i % 17:.2f}" for i in range(40)]
NAMED = "the header seems to lack the name of the first column"


def csv_of(*columns, header: str | None = None, sep: str = ",") -> bytes:
    lines = [sep.join(row) for row in zip(*columns, strict=True)]
    return "\n".join([header, *lines] if header else lines).encode() + b"\n"


def refusal(content: bytes, **options) -> str:
    with pytest.raises(UserError) as error:
        parse_csv(content, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# Rows that are longer or shorter than the header


@pytest.mark.parametrize(
    ("content", "where", "cause"),
    [
        (
            csv_of(STAMPS, [x.replace(".", ",") for x in LOAD], header="date,x"),
            "2: 3 fields, the header has 2",
            "a decimal",
        ),
        (
            csv_of(STAMPS, [x.replace(".", ",") for x in LOAD], [x.replace(".", ",") for x in LOAD], header="date,x,y"),
            "2: 5 fields, the header has 3 (and 39 more)",
            "a decimal comma? Write numbers like 1234.5, or separate the fields by semicolons",
        ),
        (
            csv_of(STAMPS, [f"{1000 + 7 * i:,}" for i in range(40)], header="date,x"),
            "2: 3 fields, the header has 2 (and 39 more)",
            "a thousands separator or decimal comma?",
        ),
        (
            csv_of(STAMPS, ["9"] * 39 + ["1,234"], header="date,x"),
            "41: 3 fields, the header has 2;",
            "a thousands separator",
        ),
        (csv_of(STAMPS, LOAD, LOAD, header="x,y"), "2: 3 fields, the header has 2 (and 39 more)", NAMED),
        (csv_of(map(str, range(40)), STAMPS, LOAD, header="date,x"), "2: 3 fields, the header has 2 (and", NAMED),
        (csv_of(map(str, range(40)), STAMPS, LOAD, header="when,x"), "2: 3 fields, the header has 2 (and", NAMED),
        (
            csv_of(STAMPS, [x.replace(".", ",") for x in LOAD], LOAD, header="x;y", sep=";"),
            "2: 3 fields, the header has 2 (and 39 more)",
            NAMED,
        ),
        (
            b"station,X\nlatitude,48.1\n" + csv_of(STAMPS, LOAD, LOAD, header="date,x,y"),
            "3: 3 fields, the header has 2 (and 40 more)",
            "are these the column names? Remove the lines above them",
        ),
        (
            csv_of(STAMPS, LOAD, [""] * 40, header="date,x"),
            "2: 3 fields, the header has 2 (and 39",
            "end in a separator",
        ),
        (
            csv_of(STAMPS, ["1.5,meter changed", *LOAD[1:]], header="date,x"),
            "2: 3 fields, the header has 2; ",
            "what follows '1.5', 'meter changed', has no column",
        ),
        (
            csv_of([f"Sat, {stamp}" for stamp in STAMPS], LOAD, header="date,x"),
            "2: 3 fields, the header has 2",
            "is there a comma within the dates? Put them in quotes",
        ),
        (
            csv_of(STAMPS, [*LOAD[:20], "1,2,3", *LOAD[21:]], header="date,x"),
            "22: 4 fields, the header has 2; ",
            "what",
        ),
        (
            csv_of(STAMPS, LOAD, ["3"] * 30 + ["3;4"] * 10, header="date;x", sep=";"),
            "2: 3 fields, the header",
            "what follows",
        ),
    ],
)
def test_a_row_with_more_fields_than_the_header_is_refused_with_both_counts_and_the_cause(content, where, cause):
    text = refusal(content)
    assert text.startswith(f"line {where}") and cause in text


@given(st.integers(0, 39), st.integers(1, 3), st.booleans())
def test_a_row_that_is_too_long_is_named_wherever_it_stands(row, surplus, quoted):
    load = [f'"{x}"' if quoted else x for x in LOAD]
    load[row] += ",a" * surplus
    assert refusal(csv_of(STAMPS, load, header="date,x")).startswith(
        f"line {row + 2}: {2 + surplus} fields, the header has 2; what follows"
    )


def test_lines_with_the_sign_of_a_remark_are_taken_for_one():
    lines = csv_of(STAMPS, LOAD, header="date,x").decode()
    parsed = parse_csv(("# load, in MW, hourly\n" + lines).encode())
    assert len(parsed.frame) == len(LOAD) and parsed.header == 2 and parsed.lines[0] == 3
    assert parsed.notes == ("lines above line 2, the column names, are left out",)
    assert refusal((lines + "# no more\n2020-01-03,1\n").encode()) == (
        "line 42: 1 field, the header has 2; is it a comment? Remove it"
    )


@pytest.mark.parametrize(
    ("below", "end", "gone"),
    [(",MW", "", [2]), ("[h],1/s", "", [2]), ("", "Total,4000", [43]), ("UTC,MW\n,mean", "Source: me,", [2, 3, 44])],
)
def test_lines_of_units_and_sums_are_no_rows_and_said_to_be_left_out(below, end, gone):
    header, *rows = csv_of(STAMPS, LOAD, header="date,x").decode().splitlines()
    lines = "\n".join([header, *below.split("\n"), *rows, end])
    parsed = parse_csv(lines.encode())
    assert len(parsed.frame) == len(LOAD) and not set(gone) & set(parsed.lines)
    assert parsed.notes[0].startswith(f"line {gone[0]}, ") and parsed.notes[0].endswith("it is left out")


@pytest.mark.parametrize("end", ["", "Total,,4000\n", "Total,,4000\nMean,,100\n"])
@pytest.mark.parametrize("below", ["", "[a],[q],MW\n"])
def test_units_and_sums_do_not_hide_how_dates_are_written(below, end):
    quarters = "".join(f"{2000 + i // 4},{i % 4 + 1},{100 + i}\n" for i in range(12))
    parsed = parse_csv(f"year,quarter,x\n{below}{quarters}{end}".encode())
    assert parsed.frame["year"].tolist() == [f"{2000 + i // 4}Q{i % 4 + 1}" for i in range(12)]
    days = "".join(f"2020-01-{day:02},0:00,{day}\n" for day in range(1, 13))
    parsed = parse_csv(f"when,start of shift,x\n{below}{days}{end}{end}".encode())  # a sum twice is no day again
    assert (parsed.date, list(parsed.frame)) == ("when", ["when", "start of shift", "x"])


def test_days_that_come_again_do_not_make_dates_of_a_column_with_few_of_them():
    rows = "".join(f"2020-01-0{1 + i // 4},{'2021-05-05' if i == 7 else ''},{i}\n" for i in range(12))
    assert parse_csv(f"date,updated,x\n{rows}".encode()).date == "date"


@pytest.mark.parametrize("end", ["", "Total,4000\n"])
def test_a_sum_makes_no_dates_of_numbers_of_items(end):
    items = "".join(f"2020-{item},{item}\n" for item in range(101, 141))
    assert "no column of dates found" in refusal(f"item,x\n{items}{end}".encode())
    assert len(parse_csv(f"date,x\n{items}{end}".encode()).frame) == 40


@pytest.mark.parametrize("date", ["date", "Zeit"])
@pytest.mark.parametrize("above", ["Station:,Berlin\nUnit:,MW", "Station,Berlin"])
def test_words_above_the_names_that_look_like_a_header_are_none(above, date):
    content = f"{above}\n{date},load\n2020-01-01,5\n2020-01-02,6\n".encode()
    line = above.count("\n") + 2
    assert refusal(content) == f"line {line}: are these the column names? Remove the lines above them"


def test_names_in_single_quotes_are_said_to_be():
    assert "the names are in single quotes" in refusal(b"'date','load'\n'2020-01-01','5'\n'2020-01-02','6'\n")


def test_a_row_without_a_date_that_holds_numbers_is_none_of_these():
    lines = csv_of(STAMPS, LOAD, header="date,x").decode()
    assert len(parse_csv((lines + ",4000\n").encode()).frame) == len(LOAD) + 1


def test_a_row_that_is_too_short_is_refused_even_at_the_end():
    lines = csv_of(STAMPS, LOAD, LOAD, header="date,x,y").decode().splitlines()
    lines[30] = lines[30].rsplit(",", 1)[0]
    assert refusal("\n".join(lines).encode()) == (
        "line 31: 2 fields, the header has 3; is the row cut off, or a separator missing?"
    )
    cut = "\n".join([*lines[:30], lines[31][:20]])
    where = "line 31: 2 fields, the header has 3; the file seems to be cut off there, or to end with a comment"
    assert refusal(cut.encode()) == where


@pytest.mark.parametrize(
    "content",
    [
        csv_of(STAMPS, LOAD),
        csv_of(STAMPS, LOAD, sep=";"),
        csv_of(pd.date_range("2020-01-01", periods=40).strftime("%Y%m%d"), LOAD),
        csv_of(pd.date_range("2020-01-01", periods=40).strftime("%d/%m/%Y"), LOAD),
        csv_of(STAMPS, ["Berlin"] * 40, LOAD),
        csv_of([stamp[:13] for stamp in STAMPS], LOAD),
        csv_of(STAMPS, [x.replace(".", ",") for x in LOAD], sep=";"),
        csv_of([x.replace(".", ",") for x in LOAD], [f"202001{day:02d}" for day in range(1, 41)], sep="|"),
        csv_of([f"202001{day:02d}" for day in range(1, 41)], ["NA"] * 40, LOAD, [""] * 40),
    ],
)
def test_a_file_without_a_header_is_refused(content):
    assert "are values, not names; put a line of column names above them" in refusal(content)


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (['"x" "y"', *(f'"{stamp}" {x} {x}' for stamp, x in zip(STAMPS, LOAD, strict=True))], "separated by spaces?"),
        (['"date,x"', *(f'"{stamp},{x}"' for stamp, x in zip(STAMPS, LOAD, strict=True))], "whole lines in quotes?"),
    ],
)
def test_what_has_one_column_because_of_its_quotes_is_told_so(lines, cause):
    text = refusal("\n".join(lines).encode())
    assert text.startswith("line 1: only one column") and cause in text


def test_a_header_that_ends_in_a_separator_is_told_to_lose_it():
    assert refusal(csv_of(STAMPS, LOAD, header="date,x,")).endswith(
        "(and 39 more); the header ends in a separator that the rows lack; remove it"
    )


def test_numbers_and_one_date_are_good_names():
    assert list(parse_csv(csv_of(STAMPS, LOAD, header="date,1")).frame) == ["date", "1"]
    assert list(parse_csv(csv_of(STAMPS, LOAD, header="when,2020-01-01")).frame) == ["when", "2020-01-01"]
    assert list(parse_csv(csv_of(STAMPS, LOAD, header=",0")).frame) == ["Unnamed: 0", "0"]


def test_names_lose_the_spaces_around_them_and_must_then_differ():
    assert list(parse_csv(csv_of(STAMPS, LOAD, header="date , OT ")).frame) == ["date", "OT"]
    assert "column 'a' occurs 2 times" in refusal(csv_of(STAMPS, LOAD, LOAD, header="date,a, a"))


# Separators and decimal commas


@pytest.mark.parametrize(("sep", "note"), [(";", "semicolons"), ("\t", "tabs"), ("|", "'|'")])
@pytest.mark.parametrize("decimal", [".", ","])
def test_other_separators_are_read_with_points_or_decimal_commas_and_said(sep, note, decimal):
    load = [x.replace(".", decimal) for x in LOAD]
    parsed = parse_csv(csv_of(STAMPS, load, header=f"date{sep}x", sep=sep))
    assert parsed.frame["x"].tolist() == [float(x) for x in LOAD]
    told = [f"fields are separated by {note}"]
    assert list(parsed.notes) == (told if decimal == "." else [*told, "numbers are read with a decimal comma"])


def test_a_comma_before_three_digits_beside_whole_numbers_may_be_a_mark_of_thousands():
    whole = ["980", "1,000", "998", *["1,234"] * 37]
    assert refusal(csv_of(STAMPS, whole, header="date;x", sep=";")) == (
        "line 3, column 'x': '1,000' may have a thousands separator or decimal comma; write all numbers like 1234.5 "
        "or 1234.50"
    )
    three = parse_csv(csv_of(STAMPS, ["0,999", "1,000", *["1,234"] * 38], header="date;x", sep=";"))
    assert three.frame["x"].tolist()[:3] == [0.999, 1.0, 1.234]


@pytest.mark.parametrize("sep", [",", ";"])
@pytest.mark.parametrize("first", ["990", "1.234"])
def test_a_point_before_three_digits_beside_whole_numbers_may_be_a_mark_of_thousands(sep, first):
    cells = [first, *["1.020"] * 30, "970", *["980"] * 8]
    assert "column 'x': '1." in refusal(csv_of(STAMPS, cells, header=f"date{sep}x", sep=sep))
    for good in ("0.980", "1.5", "1.0201", "980.0"):
        parsed = parse_csv(csv_of(STAMPS, [*cells[:-1], good], header=f"date{sep}x", sep=sep))
        assert parsed.frame["x"].tolist() == [float(cell) for cell in (*cells[:-1], good)]


def test_one_whole_number_of_three_digits_is_the_neighbour_of_a_thousand():
    assert "may have a thousands separator" in refusal(csv_of(STAMPS, ["1.020", "980"] * 20, header="date;x", sep=";"))
    parsed = parse_csv(csv_of(STAMPS, ["1.020", "5"] * 20, header="date;x", sep=";"))
    assert parsed.frame["x"].tolist() == [1.02, 5.0] * 20


def test_points_before_three_digits_throughout_are_decimals_and_in_a_file_without_commas_that_is_said():
    cells = [f"{20 + i}.{100 + i}" for i in range(40)]
    parsed = parse_csv(csv_of(STAMPS, cells, header="date;x", sep=";"))
    assert parsed.frame["x"].tolist() == [float(cell) for cell in cells]
    assert (
        "'20.100' and similar cells are read as numbers with three decimals, not with a thousands separator"
        in parsed.notes
    )
    assert parse_csv(csv_of(STAMPS, cells, header="date,x")).notes == ()
    assert len(parse_csv(csv_of(STAMPS, [*cells[1:], "20.1"], header="date;x", sep=";")).notes) == 1  # the separator


def test_commas_before_three_digits_throughout_are_decimals_and_that_is_said():
    cells = [f"{20 + i},{100 + i}" for i in range(40)]
    parsed = parse_csv(csv_of(STAMPS, cells, header="date;x", sep=";"))
    assert parsed.frame["x"].tolist() == [float(cell.replace(",", ".")) for cell in cells]
    assert (
        "'20,100' and similar cells are read as numbers with three decimals, not with a thousands separator"
        in parsed.notes
    )


def test_commas_beside_decimal_points_in_another_column_mark_no_decimals():
    thousands, decimals = [f"{20 + i},{100 + i}" for i in range(40)], [f"{i}.25" for i in range(40)]
    parsed = parse_csv(csv_of(STAMPS, thousands, decimals, header="date;x;y", sep=";"))
    assert parsed.decimal == "." and parsed.frame["x"].tolist() == thousands
    told = csv_of(STAMPS, [f"{cell}5" for cell in thousands], decimals, header="date;x;y", sep=";")
    assert parse_csv(told).decimal == ","


@pytest.mark.parametrize(
    "end", ["Source: the city", "(40 rows)\n\nEND", '"Note: a, b"', "\x1a", "Total,1\n* estimated"]
)
def test_remarks_below_the_table_are_left_out_and_named(end):
    parsed = parse_csv(csv_of(STAMPS, LOAD, header="date,x") + end.encode())
    assert len(parsed.frame) == 40 and "is not a row of the table: it is left out" in parsed.notes[0]


@pytest.mark.parametrize("empty", ["\t\n", " \t \t\n\t\t\n"])
def test_lines_of_tabs_alone_are_no_rows(empty):
    content = csv_of(STAMPS, LOAD, header="date\tx", sep="\t").replace(b"\n", b"\n" + empty.encode(), 1)
    parsed = parse_csv(content + empty.encode())
    assert len(parsed.frame) == 40 and parsed.lines[0] == 2 + empty.count("\n")


def test_a_row_that_may_be_cut_off_is_no_remark():
    months = [f"{date:%b %d, %H:%M}".replace(",", "") for date in pd.date_range("2020-01-01", periods=40, freq="h")]
    for stamps, end in ((STAMPS, "2020-0"), (STAMPS, "40 rows"), (months, "Ja")):
        assert "seems to be cut off there" in refusal(csv_of(stamps, LOAD, header="date,x") + end.encode())


def test_names_below_facts_of_the_place_are_told():
    facts = b"latitude,longitude,height\n52.5,13.4,38\n\n"
    table = csv_of(STAMPS, LOAD, LOAD, header="time,temperature,rain")
    assert refusal(facts + table) == "line 4: are these the column names? Remove the lines above them"


@pytest.mark.parametrize("mark", [".", ","])
def test_zeros_and_codes_of_no_reading_may_stand_among_decimals_as_whole_numbers(mark):
    cells = ["0", "-9999", "-99", "12", *[f"{100 + i}.12{i % 9 + 1}".replace(".", mark) for i in range(36)]]
    parsed = parse_csv(csv_of(STAMPS, cells, header="date;x", sep=";"))
    assert parsed.frame["x"].tolist()[:5] == [0, -9999, -99, 12, 100.121]


@pytest.mark.parametrize("quote", ["", '"'])
def test_the_line_that_tells_excel_the_separator_is_passed_over(quote):
    content = b"sep=;\n" + csv_of(STAMPS, LOAD, header=f"{quote}date{quote};x", sep=";")
    parsed = parse_csv(content)
    assert parsed.frame["x"].tolist() == [float(x) for x in LOAD] and (parsed.header, parsed.lines[0]) == (2, 3)


def test_commas_in_texts_and_names_are_no_decimal_commas():
    content = csv_of(STAMPS, LOAD, ["a 1,5 b"] * 40, header="date;load 0,5 km;text", sep=";")
    assert parse_csv(content).frame["load 0,5 km"].tolist() == [float(x) for x in LOAD]


# Encodings and line ends


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_utf_8_and_texts_with_a_mark_of_their_byte_order_are_read(encoding):
    content = csv_of(STAMPS, LOAD, header="date,größe").decode().encode(encoding)
    assert list(parse_csv(content).frame) == ["date", "größe"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-16-be", "utf-8"])
def test_an_encoding_can_be_given(encoding):
    content = csv_of(STAMPS, LOAD, header="date,größe").decode().encode(encoding)
    assert list(parse_csv(content, encoding=encoding).frame) == ["date", "größe"]


def test_another_encoding_is_refused_with_what_to_pass():
    text = csv_of(STAMPS, LOAD, header="date,größe").decode()
    assert refusal(text.encode("latin-1")) == (
        "line 1: not UTF-8 text; give its encoding (encoding='cp1252' for Western Windows, 'latin-1', 'utf-16'), or "
        "save the file as UTF-8"
    )
    for order in ("le", "be"):
        assert refusal(text.encode(f"utf-16-{order}")).endswith(f"give encoding='utf-16-{order}'")
    for encoding in ("latin-1", "cp1252", "utf-16", "utf-16-be", "utf-32"):
        garbled = refusal(text.encode(), encoding=encoding), refusal(text.encode() + b"\n", encoding=encoding)
        assert set(garbled) == {
            f"encoding = '{encoding}': the file is UTF-8 text, which this would garble; leave encoding out"
        }
    assert list(parse_csv(text.encode(), encoding="utf-8-sig").frame) == ["date", "größe"]
    assert refusal(text.encode(), encoding="utf-9") == (
        "encoding = 'utf-9': no such encoding; usual ones are 'utf-8', 'utf-16', 'latin-1', 'cp1252'"
    )
    for name in ("undefined", "hex", "a\0b"):  # each fails in a way of its own
        assert "no such encoding; usual ones are" in refusal(text.encode(), encoding=name)
    assert refusal(text.encode(), encoding="ascii").startswith("line 1: not ascii text; ")
    assert "does not seem to be text" in refusal(np.random.default_rng(0).bytes(3000))
    assert "does not seem to be text" in refusal(b"\x01\0\0\0\x02\0\0\0" * 200)


def test_line_ends():
    content = csv_of(STAMPS, LOAD, header="date,x")
    for end in (b"\r\n", b"\r\r\n"):
        parsed = parse_csv(content.replace(b"\n", end))
        assert parsed.frame["x"].tolist() == [float(x) for x in LOAD] and parsed.lines.tolist() == list(range(2, 42))
    assert refusal(content.replace(b"\n", b"\r")).startswith("its lines end in CR alone, as on old Macs")
    assert refusal(content.replace(b"\n", b"\r", 3)[:-1]).startswith("line 1: a CR within the line")
    assert refusal(content.replace(b"103.13", b"103\x0013")).startswith("line 3: a NUL character; the file is damaged")


def test_quotes_that_are_not_closed_are_named_by_line():
    content = csv_of(STAMPS, LOAD, header="date,x").replace(b"2020-01-01 05:00", b'"2020-01-01 05:00')
    assert refusal(content).startswith("line 7: a quote that is not closed or closed too early")


def test_lines_are_counted_through_blank_ones_and_fields_of_several_lines():
    content = b'\xef\xbb\xbf\n\n"date","a\nb"\n"2020-01-01",1\n\n"2020-01-02",2\n   \n"2020-01-03",3\n'
    parsed = parse_csv(content)
    assert (parsed.header, parsed.lines.tolist(), list(parsed.frame)) == (3, [5, 7, 9], ["date", "a\nb"])


def test_a_field_of_any_length_is_read():
    content = csv_of(STAMPS, LOAD, header='date,"' + "b" * 200_000 + '"')
    assert parse_csv(content).frame.shape == (40, 2)


def test_every_separator_mark_is_no_part_of_a_byte_order_mark():
    assert not any(mark in codecs.BOM_UTF16 for mark in b",;\t|")


def test_names_are_the_same_however_their_accents_are_written(tmp_path):
    one, two = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
    assert one != two
    for name in (one, two):
        (tmp_path / "mine.csv").write_bytes(csv_of(STAMPS, LOAD, header=f"{name},{name}!"))
        for asked in (one, two):
            table = load_table(str(tmp_path / "mine.csv"), columns=[f"{asked}!"], date_column=asked)
            assert table.columns == (f"{one}!",)
    assert "column 'Zürich' occurs 2 times" in refusal(csv_of(STAMPS, LOAD, LOAD, header=f"date,{one},{two}"))
    frame = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=3), one: 1.5, two: [1.0, 2.0, 3.0]})
    with pytest.raises(UserError, match="column 'Zürich' occurs more than once"):
        parse_frame(frame)
    frame.drop(columns=one).to_parquet(tmp_path / "mine.parquet")
    assert load_table(str(tmp_path / "mine.parquet"), columns=[one]).columns == (one,)


# Binary tables


def test_a_frame_brings_its_index_of_dates_along():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=pd.date_range("2020-01-01", periods=3, name="day"))
    parsed = parse_frame(frame)
    assert (parsed.date, parsed.place, parsed.lines.tolist()) == ("day", "row", [1, 2, 3])
    levels = frame.set_axis(pd.MultiIndex.from_tuples([("x", "mean")]), axis=1)
    assert list(parse_frame(levels).frame) == ["day", "x mean"]
    with pytest.raises(UserError, match="column 'a' occurs more than once"):
        parse_frame(pd.DataFrame([[1, 2]], columns=["a", "a "]))
    with pytest.raises(UserError, match="column 'a' occurs more than once"):
        parse_frame(pd.DataFrame({"a": [1, 2]}, index=pd.Index([3, 5], name="a")))
    nameless = parse_frame(frame.rename(columns={"x": " "}))  # as in a CSV, where read_cells refuses it
    assert list(nameless.frame) == ["day", "Unnamed: 1"]


def test_the_numbers_of_the_rows_of_a_larger_frame_are_no_series():
    frame = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=9), "x": np.arange(9.0)})
    parsed = parse_frame(frame[frame["x"] != 3])
    assert list(parsed.frame) == ["date", "x"]
    assert parsed.notes == ("the index, whole numbers without a name, is left out",)
    assert list(parse_frame(frame.drop(columns="date").set_axis([*range(20200101, 20200110)])).frame) == ["index", "x"]
    assert list(parse_frame(frame.set_axis(pd.Index([*range(8), 9], name="level"))).frame) == ["level", "date", "x"]
