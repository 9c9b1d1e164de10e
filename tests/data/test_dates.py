"""Dates: every way a column can be read, and the one that an even series tells."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.data.dates import looks_like_date, read_dates
from tsprune.data.find_dates import date_parts, find_date_column, join_dates
from tsprune.data.order import choose_reading
from tsprune.errors import UserError


def read(texts, **options):
    """The dates as they are taken, and the notes on them."""
    texts = list(texts)
    reading = choose_reading(read_dates(texts), texts[0], **options)
    return reading.dates, reading.notes


HOURS = pd.date_range("2020-01-01", periods=800, freq="h")
DAYS = pd.date_range("2020-02-01", periods=500)
MONTHS = pd.date_range("2000-01-01", periods=240, freq="MS")
MAY = pd.date_range("2022-05-20", periods=800, freq="h")

WRITTEN = [
    *((HOURS, form) for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d %H:%M", "%Y.%m.%d %H:%M:%S.000")),
    *((HOURS, form) for form in ("%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%m/%d/%Y %H:%M")),
    *((HOURS, form) for form in ("%d.%m.%y %H:%M", "%m/%d/%y %H:%M", "%d/%m/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S%p")),
    *((HOURS, form) for form in ("%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%dT%H%M", "%Y%m%d %H:%M")),
    *((HOURS, form) for form in ("%y%m%d%H", "%d%m%y%H", "%m%d%y%H")),
    *((HOURS, form) for form in ("%a %d %b %Y %H:%M", "%d-%b-%Y, %H:%M", "%B %d, %Y %I:%M %p")),
    *(
        (DAYS, form)
        for form in ("%Y%m%d", "%d%m%Y", "%y-%m-%d", "%y%m%d", "%d.%m.%y", "%m/%d/%y", "%d %B %Y", "%d-%b-%y")
    ),
    *((MONTHS, form) for form in ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%y", "%b-%y", "%b %Y", "%B %Y", "%Y-%b", "%Y%b")),
    *((MONTHS, form) for form in ("%m/%Y", "%m.%Y", "%Y-%m", "%Y%m", "%YM%m", "%y-%b")),
    *((MAY, form) for form in ("%d-%b-%Y %H:%M", "%d %B %Y %H:%M", "%b %d %Y %H:%M")),
]


@pytest.mark.parametrize(("dates", "form"), WRITTEN, ids=[f"{form} {len(dates)}" for dates, form in WRITTEN])
def test_dates_come_out_as_they_went_in(dates, form):
    found, _ = read(dates.strftime(form))
    assert found.equals(dates.as_unit(found.unit))


@given(
    st.dates(dt.date(1970, 1, 1), dt.date(2060, 1, 1)),
    st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%m-%d-%y"]),
)
def test_a_long_enough_series_has_one_even_reading_whatever_day_it_begins(first, form):
    dates = pd.date_range(first, periods=40)
    assert read(dates.strftime(form))[0].equals(dates.as_unit("us"))


@given(st.lists(st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 1, 1)), min_size=1, max_size=5))
def test_iso_times_are_read_to_the_microsecond(stamps):
    found = read_dates([stamp.isoformat(" ") for stamp in stamps])[0]
    assert found.dates.equals(pd.DatetimeIndex(stamps).as_unit(found.dates.unit))


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("01/02/2020 12:00 AM", "00:00"),
        ("01/02/2020 12:30 PM", "12:30"),
        ("01/02/2020 1 p.m.", "13:00"),
        ("01/02/2020 13:00 PM", "13:00"),
        ("01/02/2020 11:59pm", "23:59"),
    ],
)
def test_the_clock_of_twelve_hours(text, time):
    assert read_dates([text])[0].dates[0].strftime("%H:%M") == time


def test_twenty_four_hours_are_the_midnight_after():
    assert read_dates(["2020-01-31 24:00"])[0].dates[0] == pd.Timestamp("2020-02-01")
    assert read_dates(["31.12.2020 24:00:00"])[0].dates[0] == pd.Timestamp("2021-01-01")


def test_a_time_left_out_at_midnight_is_midnight():
    texts = [stamp.strftime("%d.%m.%Y %H:%M" if stamp.hour else "%d.%m.%Y") for stamp in HOURS]
    assert read(texts)[0].equals(HOURS.as_unit("us"))


@pytest.mark.parametrize(
    ("texts", "dates", "note"),
    [
        (["1960Q1", "1960Q2"], ["1960-01-01", "1960-04-01"], "quarters are read as their first day"),
        (["1Q20", "2Q20"], ["2020-01-01", "2020-04-01"], "quarters are read as their first day"),
        (["Q4 1960", "Q1 1961"], ["1960-10-01", "1961-01-01"], "quarters are read as their first day"),
        (["2020-H1", "2020-H2"], ["2020-01-01", "2020-07-01"], "half-years are read as their first day"),
        (["2005:Q4", "2006.Q1"], ["2005-10-01", "2006-01-01"], "quarters are read as their first day"),
        (["Q4 of 2005", "Q1_2006"], ["2005-10-01", "2006-01-01"], "quarters are read as their first day"),
        (["2H2020", "1H 21"], ["2020-07-01", "2021-01-01"], "half-years are read as their first day"),
        (["H1'20", "H2 20"], ["2020-01-01", "2020-07-01"], "half-years are read as their first day"),
        (["2015-W53", "2016 W1"], ["2015-12-28", "2016-01-04"], "weeks (ISO 8601) are read as their first day"),
        (["W53-2015", "KW 1/2016"], ["2015-12-28", "2016-01-04"], "weeks (ISO 8601) are read as their first day"),
    ],
)
def test_quarters_half_years_and_weeks_are_their_first_day(texts, dates, note):
    reading = read_dates(texts)[0]
    assert reading.dates.equals(pd.DatetimeIndex(dates).as_unit("us")) and reading.notes[-1] == note


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["2015-W02-3", "2015-W02-4"], "2015-01-07"),
        (["2015W023", "2015W024"], "2015-01-07"),
        (["2020-366", "2021-001"], "2020-12-31"),
        (["2020/366", "2021/001"], "2020-12-31"),
        (["2020060", "2020061"], "2020-02-29"),
        (["2020-060T05:00", "2020-060T06:00"], "2020-02-29 05:00"),
        (["20200229T050000Z", "20200229T060000Z"], "2020-02-29 05:00"),
        (["20200229050000.000", "20200229060000.000"], "2020-02-29 05:00"),
        (["1. 2. 2020", "2. 2. 2020"], "2020-02-01"),
        (["2020. 2. 1.", "2020. 2. 2."], "2020-02-01"),
        (["2020.02.01.", "2020.02.02."], "2020-02-01"),
        (["1. M\u00e4rz 2020", "2. MRZ 2020"], "2020-03-01"),
        (["1er ao\u00fbt 2020", "2 ao\u00fbt 2020"], "2020-08-01"),
        (["1 de febrero de 2020", "2 de febrero de 2020"], "2020-02-01"),
        (["jan. 2020", "fev. 2020"], "2020-01-01"),
        (["genn. 2020", "febbr. 2020", "magg. 2020", "lugl. 2020", "sett. 2020"], "2020-01-01"),
        (["febr. 2020", "juill. 2020", "setiembre 2020"], "2020-02-01"),
        (["2020\u5e742\u67081\u65e5", "2020\u5e742\u67082\u65e5"], "2020-02-01"),
        (["2020-02-01T05Z", "2020-02-01T06Z"], "2020-02-01 05:00"),
        (["1.2.2020 05.30", "1.2.2020 06.00"], "2020-02-01 05:30"),
        (["1/2/2020 5h30", "1/2/2020 6h00"], "2020-02-01 05:30"),
        (["1-2-2020 5u30", "1-2-2020 6u00"], "2020-02-01 05:30"),
        (["2020-02-01 5.30 PM", "2020-02-01 6.00 PM"], "2020-02-01 17:30"),
        (["01-FEB-20 05.30.00.000000000 PM", "01-FEB-20 06.00.00.000000000 PM"], "2020-02-01 17:30"),
        (["1.2.2020 5:30 Uhr", "1.2.2020 6:00 Uhr"], "2020-02-01 05:30"),
        (["2020-02-01_05:30:00", "2020-02-01_06:00:00"], "2020-02-01 05:30"),
        (["01FEB2020:05:30:00", "01FEB2020:06:00:00"], "2020-02-01 05:30"),
        (["01.02.2020 05:30 - 01.02.2020 06:00", "01.02.2020 06:00 - 01.02.2020 06:30"], "2020-02-01 05:30"),
        (["2020-02-01T05:30Z/2020-02-01T06:00Z", "2020-02-01T06:00Z/2020-02-01T06:30Z"], "2020-02-01 05:30"),
        (["1580535000", "1580535600.0"], "2020-02-01 05:30"),
        (["1580535000.5", "1580535001.5"], "2020-02-01 05:30:00.5"),
        (["1580535000000", "1580535600000"], "2020-02-01 05:30"),
        (["1580535000000000000", "1580535600000000000"], "2020-02-01 05:30"),
        (["2019", "2020"], "2019-01-01"),
        (["20200201.0", "20200202.0"], "2020-02-01"),
        (["2020 02 01", "2020_02_02"], "2020-02-01"),
        (["2020\u201002\u201001", "2020\u221202\u221202"], "2020-02-01"),
        (["Feb-01-20", "Feb 2 '20"], "2020-02-01"),
        (["1 Feb '20", "2-Feb-20"], "2020-02-01"),
        (["2020m2", "2020M3"], "2020-02-01"),
        (["Feb_2020", "Mar_2020"], "2020-02-01"),
        (["01/02/2020 05:30 a. m.", "01/02/2020 05:30 p. m."], "2020-02-01 05:30"),
        (["05:30 1.2.2020", "17:30 1.2.2020"], "2020-02-01 05:30"),
        (["5:30 AM, Feb 1, 2020", "5:30 PM, Feb 1, 2020"], "2020-02-01 05:30"),
        (["Sat Feb  1 05:30:00 2020", "Sat Feb  1 06:30:00 2020"], "2020-02-01 05:30"),
        (["Sat Feb  1 05:30:00 UTC 2020", "Sat Feb  1 06:30:00 UTC 2020"], "2020-02-01 05:30"),
        (["1. Februar 2020 um 05:30 Uhr", "1. Februar 2020 um 06:30 Uhr"], "2020-02-01 05:30"),
        (["2020-02-01 05:30 - 06:30", "2020-02-01 06:30 - 07:30"], "2020-02-01 05:30"),
        (["2020-02-01 05:30:00:250", "2020-02-01 05:30:00:500"], "2020-02-01 05:30:00.250"),
        (["2020/2/1 \u4e0a\u5348 05:30:00", "2020/2/1 \u4e0b\u5348 05:30:00"], "2020-02-01 05:30"),
        (["2020/2/1 \uc624\ud6c4 12:30", "2020/2/1 \uc624\ud6c4 1:30"], "2020-02-01 12:30"),
        (["J\u00e4nner 2020", "Februar 2020"], "2020-01-01"),
        (["01.02.2020-07.02.2020", "08.02.2020-14.02.2020"], "2020-02-01"),
        (["2020/02/01 05", "2020/02/01 06"], "2020-02-01 05:00"),
        (["1.2.2020 05", "1.2.2020 06"], "2020-02-01 05:00"),
        (["1-Feb-2020 05", "1-Feb-2020 06"], "2020-02-01 05:00"),
        (["2020-02-01 05-30-00", "2020-02-01 06-30-00"], "2020-02-01 05:30"),
        (["2020_02_01_05_30", "2020_02_01_06_30"], "2020-02-01 05:30"),
        (["2020:02:01 05:30:00", "2020:02:01 06:30:00"], "2020-02-01 05:30"),
        (["01/02/2020-05:30", "01/02/2020-06:30"], "2020-02-01 05:30"),
        (["43862,5", "43862,75"], "2020-02-01 12:00"),
    ],
)
def test_other_ways_to_write_a_day(texts, first):
    assert read_dates(texts)[0].dates[0] == pd.Timestamp(first)


@pytest.mark.parametrize("years", [["2001-02", "2002-03", "2003-04"], ["1901/2", "1902/3", "1903/4"]])
def test_a_year_and_the_next_are_no_year_and_month(years):
    assert read_dates(years) == []
    assert len(read_dates([*years, "2009-11"])) == 1


def test_the_day_of_the_week_tells_days_from_months():
    days = pd.date_range("2020-02-01", periods=12)
    texts = list(days.strftime("%a %d/%m/%Y"))
    assert read(texts)[0].equals(days.as_unit("us"))
    assert read_dates(["Sun 2020-02-01"])[0].unread == 1


@pytest.mark.parametrize(
    "text",
    [
        *("2020-02-30", "31/11/2020", "2020-13-01", "2021-W53", "2020-01-01 24:01", "2020-01-01 12:60", "32.01.2020"),
        *("2020-01-01 13:00 AM", "2020-01-01 0:30 PM", "2016-12-31 23:59:60", "2020-01-01 5", "2020-01-01 00:00 CET"),
        *(
            "2020-01-01 12:00-13:00",
            "2020-01-01 12:00+01:99",
            "2020-01-01 12:00+15",
            "2021-366",
            "2020-000",
            "2015-W02-8",
        ),
        *("S101", "H120", "17:30", "20-5", "2020-05-01-02:00"),
        *("soon", "", "12", "1.5", "1257.5", "12:00", "2020Q5", "lip 2020", "FY2020"),
    ],
)
def test_what_is_no_date_is_not_read_as_another(text):
    assert all(reading.unread for reading in read_dates([text]))
    assert not looks_like_date(text)


# Which reading is taken


def test_one_day_of_february_may_be_of_may_and_is_refused_with_both():
    texts = pd.date_range("2020-02-05", periods=24, freq="h").strftime("%d/%m/%Y %H:%M")
    with pytest.raises(UserError) as error:
        read(texts)
    assert str(error.value) == (
        "dates like '05/02/2020 00:00' can be read as day, month, year (2020-02-05 00:00:00 to 2020-02-05 23:00:00) or "
        "month, day, year (2020-05-02 00:00:00 to 2020-05-02 23:00:00), and both fit; choose with date_order='dmy' or "
        "date_order='mdy'"
    )
    assert read(texts, date_order="dmy")[0][0] == pd.Timestamp("2020-02-05")
    assert read(texts, date_order="mdy")[0][0] == pd.Timestamp("2020-05-02")


def test_twelve_days_may_be_twelve_months():
    with pytest.raises(
        UserError, match=r"day, month, year \(2020-01-01 to 2020-01-12\) or month, day, year .*-12-01\)"
    ):
        read(pd.date_range("2020-01-01", periods=12).strftime("%d/%m/%Y"))


def test_three_readings_of_two_digit_years_are_all_named():
    texts = pd.date_range("2003-02-01", periods=24, freq="h").strftime("%y/%m/%d %H:%M")
    with pytest.raises(
        UserError, match="all fit; choose with date_order='dmy' or date_order='mdy' or date_order='ymd'"
    ):
        read(texts)


def test_months_and_years_without_a_sign_between_them_may_be_days_of_a_year_of_two_digits():
    with pytest.raises(UserError, match=r"month, year \(2000-01-01 .* or month, day, year \(2000-01-20 .*'my' or "):
        read(MONTHS[:120].strftime("%m%Y"))
    assert read(MONTHS[:120].strftime("%m%Y"), date_order="my")[0].equals(MONTHS[:120].as_unit("us"))


def test_a_series_with_a_gap_is_still_told_by_what_is_left():
    dates = MONTHS.delete([40, 41])
    assert read(dates.strftime("%d/%m/%Y"))[0].equals(dates.as_unit("us"))


def test_a_time_step_that_is_given_tells_the_readings_apart():
    texts = pd.date_range("2020-01-01", periods=12).strftime("%d/%m/%Y")
    assert read(texts, time_step="1D")[0][-1] == pd.Timestamp("2020-01-12")
    assert read(texts, time_step="MS")[0][-1] == pd.Timestamp("2020-12-01")


def test_an_order_that_does_not_fit_is_refused():
    with pytest.raises(
        UserError, match=r"date_order = 'dmy' \(day, month, year\): dates like '2020-01-01' do not fit it"
    ):
        read(["2020-01-01"], date_order="dmy")
    with pytest.raises(UserError, match=r"unknown date_order 'dym'; did you mean .* Allowed: ymd, dmy, mdy, ym, my"):
        read(["2020-01-01"], date_order="dym")


# Offsets from UTC


@pytest.mark.parametrize("freq", ["D", "MS", "7D"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_local_midnights_keep_their_days(freq, zone):
    stamps = pd.date_range("2020-01-06" if freq == "7D" else "2020-01-01", periods=100, freq=freq, tz=zone)
    dates, notes = read(stamp.isoformat() for stamp in stamps)
    assert dates.equals(stamps.tz_localize(None).as_unit("us"))
    assert notes == ("offsets from UTC are ignored: days and times are read as written",)


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S%z", "%d.%m.%Y %H:%M %z"])
def test_hours_with_offsets_become_utc(form):
    stamps = pd.date_range("2020-03-20", periods=500, freq="h", tz="Europe/Paris")
    dates, notes = read(stamps.strftime(form))
    assert dates.equals(stamps.tz_convert("UTC").tz_localize(None).as_unit("us"))
    assert "times are converted to UTC" in notes


def test_a_noon_that_is_even_only_as_written_keeps_its_clock():
    stamps = pd.date_range("2020-01-01 12:00", periods=300, tz="Europe/Berlin")
    assert read(stamp.isoformat() for stamp in stamps)[0].equals(stamps.tz_localize(None).as_unit("us"))


@pytest.mark.parametrize(
    ("zone", "hours"), [("+01", 1), ("+0130", 1.5), ("-05:00", -5), ("Z", 0), (" UTC", 0), (" GMT", 0)]
)
def test_ways_to_write_an_offset(zone, hours):
    dates, _ = read([f"2020-01-01 {hour:02d}:30{zone}" for hour in range(3, 9)])
    assert dates[0] == pd.Timestamp("2020-01-01 03:30") - pd.Timedelta(hours=hours)


def test_an_offset_among_cells_without_one_is_not_read_and_the_others_are():
    texts = [stamp.isoformat() for stamp in HOURS]
    reading = read_dates([*texts[:9], texts[9] + "Z", *texts[10:]])[0]
    assert list(np.flatnonzero(reading.dates.isna())) == [9]


def test_a_cell_without_an_offset_among_others_is_not_read():
    reading = read_dates(["2020-01-01T00:00:00+01:00", "2020-01-01T01:00:00"])[0]
    assert np.flatnonzero(reading.dates.isna()).tolist() == [1]


# Which column


def sample(**columns):
    return pd.DataFrame(columns, dtype=str)


def test_the_column_of_dates_is_told_by_its_content_before_its_name():
    assert find_date_column(sample(start=["100.1", "102.4"], date=["2020-01-01", "2020-01-02"])) == "date"
    assert find_date_column(sample(time=["0", "1"], when=["2020-01-01", "2020-01-02"])) == "when"
    assert find_date_column(sample(day=["20200101", "20200102"], x=["12345678.5", "1"])) == "day"
    assert find_date_column(sample(x=["202001", "202002"], Date=["202001", "202002"])) == "Date"
    assert find_date_column(sample(zip=["20200101", "20200102"], when=["2020-01-01", "2020-01-02"])) == "when"
    assert find_date_column(sample(item=["2020-001", "2020-002"], when=["2020-01-01", "2020-01-02"])) == "when"
    assert find_date_column(sample(x=["1", "2"], time=["soon", "late"])) == "time"
    assert find_date_column(sample(x=["1", "2"], when=["2020_01", "2020_02"])) == "when"
    assert find_date_column(sample(start=["1700", "1703"], date=["2020-01-01", "2020-01-02"])) == "date"


@pytest.mark.parametrize(
    ("columns", "first"),
    [
        ({"Year": ["2020"] * 2, "month": ["2", "3"]}, "2020-2"),
        (
            {"year": ["2020.0"] * 2, "x": ["1", "2"], "month": ["2"] * 2, "day": ["1"] * 2, "hour": ["5", "6"]},
            "2020-2-1 05:00",
        ),
        ({"Date": ["2020-02-01"] * 2, "Time": ["5:30", "06:00"]}, "2020-02-01 5:30"),
        ({"Datum": ["1.2.2020"] * 2, "x": ["5", "6"], "von": ["5:00", "6:00"]}, "1.2.2020 5:00"),
        ({"date": ["1.2.2020"] * 2, "hour": ["5", "6"]}, "1.2.2020 05:00"),
        ({"date": pd.to_datetime(["2020-02-01"] * 2), "hour": [5, 6]}, "2020-02-01 05:00"),
        ({"YEAR": ["2020"] * 2, "MO": ["2"] * 2, "DY": ["1"] * 2, "HR": ["5", "6"]}, "2020-2-1 05:00"),
        ({"Tag": ["1", "2"], "Monat": ["2"] * 2, "Jahr": ["2020"] * 2, "hr": ["71", "x"]}, "2020-2-1"),
        ({"A\u00f1o": ["2020"] * 2, "Mes": ["2", "3"]}, "2020-2"),
        ({"Year": ["2020"] * 2, "Quarter": ["1", "2"]}, "2020Q1"),
        ({"Year": ["2020"] * 2, "Qtr": ["Q1", "Q2"]}, "2020Q1"),
        ({"Year": ["2020"] * 2, "Period": ["M02", "M03"]}, "2020M02"),
        ({"year": ["2020"] * 2, "doy": ["32"] * 2, "hour": ["5", "6"]}, "2020-032 05:00"),
        ({"year": ["2020.0"] * 2, "yday": ["32.0", "33.0"]}, "2020-032"),
        ({"<DATE>": ["20200201"] * 2, "<TIME>": ["053000", "060000"]}, "20200201 05:30:00"),
        ({"date": ["2020-02-01"] * 2, "time": ["0530", "0600"]}, "2020-02-01 05:30"),
        ({"date": ["2020-02-01"] * 2, "time": ["05:30-06:00", "06:00-06:30"]}, "2020-02-01 05:30 - 06:00"),
        ({"Datum": ["1.2.2020"] * 2, "x": ["5:00-6:00", "6:00-7:00"]}, "1.2.2020 5:00 - 6:00"),
        ({"Date": ["1/2/2020"] * 2, "Time": ["18.00.00", "18.30.00"]}, "1/2/2020 18:00:00"),
        ({"Date": ["2020-02-01", "2020-02-02"], "Time": ["09:30:00"] * 2}, "2020-02-01 09:30:00"),
        ({"Datum": ["1.2.2020"] * 2, "Stunde": ["5", "6"]}, "1.2.2020 05:00"),
        ({"date": ["20200201"] * 3, "time": ["0", "30", "100"]}, "20200201 00:00"),
        ({"date": ["20200201"] * 3, "time": ["5", "100", "10000"]}, "20200201 00:00:05"),
        ({"date": ["1.2.2020"] * 2, "hour": ["5"] * 2, "minute": ["0", "15"]}, "1.2.2020 05:00"),
        ({"year": ["2020"] * 2, "month": ["2"] * 2, "day": ["1"] * 2, "time": ["05:30", "06:00"]}, "2020-2-1 05:30"),
        ({"year": ["2020"] * 2, "doy": ["32"] * 2, "time": ["0", "100"]}, "2020-032 00:00"),
        ({"yyyy": ["2020"] * 2, "mm": ["2"] * 2, "dd": ["1"] * 2, "hh": ["5", "6"]}, "2020-2-1 05:00"),
        ({"YYYYMMDD": ["20200201"] * 2, "HH": ["1", "2"]}, "20200201 01:00"),
        ({"date": ["2020-02-01"] * 2, "datetime": ["2020-02-01 05:30", "2020-02-01 06:00"]}, "2020-02-01 05:30"),
    ],
)
def test_dates_are_put_together_from_their_columns(columns, first):
    frame = sample(**columns)
    assert join_dates(frame[list(date_parts(frame))])[0] == first


def test_where_one_column_holds_the_dates_others_are_left_alone():
    whole = ["2020-02-01 05:00", "2020-02-01 06:00"]
    assert date_parts(sample(date=whole, hour=["5", "6"], year=["2020"] * 2)) == ()
    assert date_parts(sample(date=["2020-02-01", "2020-02-02"], hour=["5", "6"])) == ()  # that of a peak, it may be
    assert date_parts(sample(year=["2019", "2020"], Jan=["1", "2"], Feb=["1", "2"])) == ()


def test_numbers_that_are_no_times_of_day_are_no_part_of_dates():
    days = ["2020-02-01"] * 3
    assert date_parts(sample(date=days, time=["530", "1060", "2500"])) == ()
    assert date_parts(sample(date=days, x=["0530", "0600", "0630"])) == ()  # not called a time
    assert date_parts(sample(date=days, time=["45", "60", "105"])) == ()  # minutes
    assert date_parts(sample(year=["2019", "2020", "2021"], mm=["1", "2", "12"])) == ("year",)  # of rain


@pytest.mark.parametrize("beside", ["week", "Country"])
def test_a_year_on_several_rows_says_too_little(beside):
    with pytest.raises(UserError, match="column 'Year' has one year on several rows; write the whole date in one col"):
        date_parts(sample(**{"Year": ["2020"] * 3, beside: ["1", "2", "3"], "x": ["5", "6", "7"]}))


def test_numbers_are_no_dates_of_a_column_without_the_name_of_one():
    assert find_date_column(sample(id=["1580535000"] * 2, when=["2020-02-01", "2020-02-02"])) == "when"
    with pytest.raises(UserError, match="Name it with date_column"):
        find_date_column(sample(id=["1580535000"] * 2, x=["43831"] * 2))
    assert find_date_column(sample(timestamp=["1580535000"] * 2, date=["2020-02-01"] * 2)) == "date"


@pytest.mark.parametrize("word", ["now", "today"])
def test_the_present_is_no_date(word):
    assert read_dates(["2020-02-01", word])[0].unread == 1


def test_no_column_of_dates_is_refused():
    with pytest.raises(UserError, match=r"no column of dates found; columns: a\\x1b, b\. Name it with date_column"):
        find_date_column(sample(**{"a\x1b": ["1"], "b": ["2"]}))


def test_what_may_be_values_and_no_names_is_told_so():
    with pytest.raises(UserError, match=r"put a line of column names above them$"):
        find_date_column(sample(**{"FY1990": ["FY1991"], "50,08": ["50,89"]}))


def test_names_that_are_dates_are_told_to_be_turned():
    for names in (["2019", "2020", "2021"], ["1/22/20", "1/23/20", "1/24/20"], ["Jan", "Feb", "M\u00e4rz"]):
        with pytest.raises(UserError, match=r"turn the table: a row per time step, a column per series$"):
            find_date_column(sample(**{name: ["x1"] for name in ["country", *names]}))


def test_when_all_was_published_is_no_column_of_dates():
    columns = {"LAST UPDATE": ["01/02/20 23:00:00"] * 3, "TIME_PERIOD": ["2000-01", "2000-02", "2000-03"]}
    assert find_date_column(sample(**columns)) == "TIME_PERIOD"


@pytest.mark.parametrize(
    ("first", "form", "freq", "ways"),
    [
        ("2025-01-20", "%y%m%d%H", "h", ["dmy", "ymd"]),  # or 25 January 2000 to 2023
        ("2001-01-01", "%d%m%Y", "YS", ["dmy", "ymd"]),  # or 20 January 2001, 1:00 to 24:00
        ("2012-02-10", "%d%m%y%H", "h", ["dmy", "mdy", "ymd"]),
        ("2025-01-01", "%y%m%d", "D", ["dmy", "ymd"]),  # or 25 January 2001 to 2012
    ],
)
def test_compact_dates_that_fit_twice_are_refused_and_an_order_tells(first, form, freq, ways):
    dates = pd.date_range(first, periods=12, freq=freq)
    with pytest.raises(UserError) as refused:
        read(dates.strftime(form))
    assert all(f"date_order='{way}'" in str(refused.value) for way in ways) and "2501-" not in str(refused.value)
    order = {"y": "ymd", "d": "dmy"}[form[1]]
    assert read(dates.strftime(form), date_order=order)[0].equals(dates.as_unit("us"))


@pytest.mark.parametrize(("form", "freq"), [("%d%m%Y", "D"), ("%m%d%Y", "D"), ("%Y%m%d", "D"), ("%Y%m%d", "MS")])
def test_what_may_be_an_hour_but_never_changes_is_the_end_of_a_year(form, freq):
    dates = pd.date_range("2010-01-13", periods=11, freq=freq)
    assert read(dates.strftime(form))[0].equals(dates.as_unit("us"))


@pytest.mark.parametrize("days", [2, 25])
def test_days_of_two_digit_years_on_many_rows_are_not_years_apart(days):
    dates = pd.date_range("2025-01-01", periods=24 * days, freq="h")
    assert read(dates.strftime("%y%m%d"))[0].equals(dates.normalize().as_unit("us"))


def test_a_slip_among_days_with_hours_is_the_only_one_unread():
    texts = [*HOURS.strftime("%y%m%d%H")]
    texts[40] = "20410307"
    assert np.flatnonzero(choose_reading(read_dates(texts), texts[0]).dates.isna()).tolist() == [40]
