"""The order of dates: what is doubled, late, absent, off the grid, and how much may be made up."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.data.checks import check_csv
from tsprune.data.order import MADE_UP, Ordered, check_order
from tsprune.errors import UserError


def ordered(dates, step: str | None = None, fill: bool = False) -> Ordered:
    dates = pd.DatetimeIndex(dates)
    return check_order(dates, np.arange(2, len(dates) + 2), "line", step, fill)


HOURS = pd.date_range("2020-01-01", periods=100, freq="h")


@pytest.mark.parametrize("wrong", ["2202-01-04 05:00", "1020-01-04 05:00"])
@pytest.mark.parametrize("fill", [False, True])
def test_a_year_mistyped_is_named_before_a_grid_is_made(wrong, fill, monkeypatch):
    monkeypatch.setattr("tsprune.data.order.grid", None)  # whoever makes one fails
    dates = HOURS.delete(77).insert(77, pd.Timestamp(wrong))
    assert any("a wrong date?" in problem for problem in ordered(dates, fill=fill).problems)


def test_a_time_step_that_was_given_may_be_what_is_wrong():
    problems = ordered(pd.date_range("2020-01-01", periods=400), step="1s").problems
    assert len(problems) == 1 and problems[0].endswith(" times for 400 rows: another time_step, or a wrong date?")


@pytest.mark.parametrize(
    ("last", "word"), [(4, "quarters? Write them like 2020Q1"), (2, "half-years? Write them like")]
)
def test_quarters_and_half_years_read_as_months_are_told(last, word):
    (problem,) = ordered([f"{year}-{part}" for year in range(2000, 2020) for part in range(1, last + 1)]).problems
    assert f"never one after month {last} of a year ({word}" in problem


def test_seconds_over_centuries_are_counted_and_named_by_line():
    dates = ["1700-01-01 00:00:00", "1700-01-01 00:00:01", "1700-01-01 00:00:02", "2200-01-01 00:00:00"]
    assert ordered(dates, fill=True).problems == (
        "line 5: the time jumps from 1700-01-01 00:00:02 to 2200-01-01 00:00:00; at a time step of 1s this makes "
        "15,778,454,401 times for 4 rows: a wrong date?",
    )


@given(st.data())
def test_what_is_absent_is_counted_and_the_first_is_named(data):
    step = data.draw(st.sampled_from(["15min", "1h", "1D", "7D", "B", "MS", "days 1,11,21"]))
    dates = pd.date_range("2001-01-01", periods=120, freq=step) if "days" not in step else None
    if dates is None:
        dates = pd.DatetimeIndex(
            [f"20{1 + i // 36:02d}-{i // 3 % 12 + 1:02d}-{(1, 11, 21)[i % 3]}" for i in range(120)]
        )
    gone = sorted(data.draw(st.sets(st.integers(1, 118), min_size=1, max_size=12)))
    daily = step not in ("15min", "1h")
    first = str(dates[gone[0]].date() if daily else dates[gone[0]])
    found = ordered(dates.delete(gone), step)
    assert found.absent == len(gone)
    more = f" (and {len(gone) - 1} more)" if len(gone) > 1 else ""
    assert found.problems[0].startswith(
        f"after line {gone[0] + 1}: the time {first} is missing at a time step of {step}{more}"
    )
    filled = ordered(dates.delete(gone), step, fill=True)
    assert filled.problems == () and filled.grid.equals(dates)


@pytest.mark.parametrize(
    ("dates", "word"),
    [
        (["2020-01-30", "2020-02-28", "2020-03-31", "2020-04-30", "2020-05-28"], "month"),
        (["2020-03-30", "2020-06-30", "2020-09-29", "2020-12-30"], "quarter"),
        (["2020-01-03", "2020-01-10", "2020-01-16", "2020-01-24", "2020-01-31"], "week"),
    ],
)
def test_one_row_per_period_on_any_day_of_it_is_told_how_to_be_written(dates, word):
    (problem,) = ordered(dates).problems
    assert f"every {word} has one row, so write the dates as {word}s" in problem


def read(dates, **how):
    frame = pd.DataFrame({"date": dates, "x": np.sin(np.arange(len(dates)))})
    return check_csv(frame.to_csv(index=False).encode(), **how)


def trading(word: str) -> pd.DatetimeIndex:
    """The last day of each week, month or quarter of 2001 to 2004 on which a market is open: one closes on days off."""
    days = pd.bdate_range("2001-01-01", "2004-12-31")
    days = days[~days.strftime("%m-%d").isin(["01-01", "05-31", "09-28", "12-25", "12-31"])]
    last = pd.Series(days).groupby(days.to_period({"week": "W", "month": "M", "quarter": "Q"}[word])).max()
    return pd.DatetimeIndex(last)


@pytest.mark.parametrize(("word", "step"), [("week", "7D"), ("month", "MS"), ("quarter", "QS-JAN")])
@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y"])
def test_last_days_of_trading_are_read_as_their_periods_and_that_is_said(word, step, form):
    dates = trading(word)
    found = read(dates.strftime(form))
    assert found.problems == () and found.time_step == step and len(found.grid) == len(dates)
    assert found.dates.equals(dates.to_period({"week": "W", "month": "M", "quarter": "Q"}[word]).to_timestamp())
    assert f"every {word} has one row, on changing days: dates are read as {word}s, by their first day" in found.notes


def test_periods_are_read_only_where_each_has_one_row_and_no_step_was_given():
    dates = trading("month").strftime("%Y-%m-%d")
    assert "every month has one row, so write the dates as months" in read(dates, time_step="MS").problems[0]
    assert read(dates.delete(20)).problems and read(dates[:11]).problems
    assert read(dates + [" 09:00", " 10:00"] * 24).problems
    assert read(pd.date_range("2001-01-31", periods=48, freq="BME").astype(str)).time_step == "BME"


# How much may be made up


def test_weekends_are_never_made_up():
    daily = pd.date_range("2010-01-04", periods=600)
    weekdays = daily[daily.day_of_week < 5]
    assert ordered(weekdays, fill=True).step == "B" and ordered(weekdays, fill=True).absent == 0
    (problem,) = ordered(weekdays, "1D", fill=True).problems
    assert problem == (
        "after line 6: the time 2010-01-09 is missing at a time step of 1D (and 169 more) (28% of all, more "
        "than the 12.5% that may be filled in), never a Saturday or Sunday; give the time_step of the rows that are "
        "there, or add the others"
    )
    shops = daily[daily.day_of_week != 6]
    assert ordered(shops, fill=True).step == "days Mon,Tue,Wed,Thu,Fri,Sat" and ordered(shops).absent == 0
    (problem,) = ordered(shops, "1D", fill=True).problems
    assert "(14% of all, more than the 12.5% that may be filled in), never a Sunday;" in problem


def test_holidays_may_be_filled_in():
    weekdays = pd.date_range("2010-01-04", periods=400, freq="B")
    found = ordered(weekdays.delete(range(20, 400, 40)), fill=True)
    assert found.step == "B" and found.problems == () and found.absent == 10 and found.grid.equals(weekdays)


@given(st.integers(0, 40))
def test_an_eighth_is_the_limit(gone):
    found = ordered(HOURS.delete(range(2, 2 + 2 * gone, 2)) if gone else HOURS, "1h", fill=True)
    assert bool(found.problems) == (gone > MADE_UP * 100)


# Daylight saving


@pytest.mark.parametrize("freq", ["1h", "30min", "15min"])
def test_the_hour_that_is_skipped_in_spring_is_named(freq):
    local = pd.date_range("2020-03-20", periods=1500, freq=freq, tz="Europe/Paris").tz_localize(None)
    (problem,) = ordered(local).problems
    assert "2020-03-29 02:00:00 looks like the hour that daylight saving skips in spring" in problem
    assert "write the times in UTC or with their UTC offset" in problem
    assert ordered(local, fill=True).notes == (
        "2020-03-29 02:00:00 looks like the hour that daylight saving skips in spring; it is filled like any other gap",
    )


def test_the_hour_that_egypt_skips_on_a_friday_is_named():
    local = pd.date_range("2023-04-20", periods=400, freq="h", tz="Africa/Cairo").tz_localize(None)
    assert "2023-04-28 00:00:00 looks like the hour that daylight saving skips" in ordered(local).problems[0]


@pytest.mark.parametrize("freq", ["1h", "30min", "15min"])
@pytest.mark.parametrize(("zone", "first"), [("Europe/Paris", "2020-10-20"), ("America/New_York", "2020-10-28")])
@pytest.mark.parametrize("fill", [False, True])
def test_the_hour_that_comes_twice_in_autumn_is_named(freq, zone, first, fill):
    local = pd.date_range(first, periods=1500, freq=freq, tz=zone).tz_localize(None)
    found = ordered(local, fill=fill).problems
    assert "the hour that comes twice when daylight saving ends" in found[0]
    assert not any("sort the rows" in problem for problem in found)  # that would mix the two hours
    unsorted = local[:-2].append(local[:-3:-1])
    assert any("sort the rows" in problem for problem in ordered(unsorted, fill=fill).problems)


def test_other_gaps_and_doubles_are_not_blamed_on_daylight_saving():
    assert "daylight" not in ordered(HOURS.delete(50)).problems[0]
    assert "keep one row per time" in ordered(HOURS.insert(50, HOURS[49])).problems[0]
    april = pd.date_range("2020-04-05", periods=100, freq="h")
    assert "daylight" not in ordered(april.append(april[3:4])).problems[0]
    sunday = pd.date_range("2020-03-29", periods=24, freq="h").delete([2, 3])
    assert "daylight" not in ordered(sunday).problems[0]


@pytest.mark.parametrize("freq", ["D", "7D", "MS"])
def test_midnights_of_a_zone_written_in_utc_are_told_how_to_be(freq):
    stamps = pd.date_range("2020-01-01", periods=120, freq=freq, tz="Europe/Paris").tz_convert("UTC").tz_localize(None)
    (problem,) = ordered(stamps).problems
    assert problem.endswith("midnights in a zone with daylight saving? Write only the days, like 2020-01-01")


# Files whose newest row stands first


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%y"])
def test_rows_that_go_back_in_time_are_turned_round(form):
    dates = pd.date_range("2020-01-20", periods=60)
    rows = [f"{i},{date.strftime(form)},{(i * 7) % 11}" for i, date in enumerate(dates[::-1])]
    checked = check_csv("\n".join(["index,date,x", *rows]).encode())
    assert not checked.problems and checked.dates.equals(dates.as_unit("us")) and list(checked.frame) == ["x"]
    assert checked.frame["x"].tolist() == [(i * 7) % 11 for i in range(59, -1, -1)]
    assert "the newest row stands first: rows are read from the last to the first" in checked.notes


def test_what_is_wrong_in_a_file_with_its_newest_row_first_is_named_by_its_line():
    dates = pd.date_range("2020-01-20", periods=60).delete(50)[::-1]
    rows = [f"{date:%d.%m.%Y};{i % 11 if i != 4 else 'x'}" for i, date in enumerate(dates)]
    problems = check_csv("\n".join(["date;x", *rows]).encode()).problems
    assert problems[0].startswith("line 6, column 'x': 'x' is not a number")
    assert problems[1].startswith("above line 11: the time 2020-03-10 is missing")
    frame = pd.DataFrame({"date": dates, "x": np.arange(59.0) % 7})
    assert check_csv(frame).problems[0].startswith("above row 10: the time 2020-03-10 is missing")


def test_an_order_that_nothing_tells_is_asked_for_in_a_file_with_its_newest_row_first_too():
    rows = [f"{day:02d}/03/2020,{day % 5}" for day in range(12, 0, -1)]
    with pytest.raises(UserError, match=r"can be read as day, month, year .* or month, day, year"):
        check_csv("\n".join(["date,x", *rows]).encode())
    checked = check_csv("\n".join(["date,x", *rows]).encode(), date_order="dmy")
    assert checked.dates.equals(pd.date_range("2020-03-01", periods=12).as_unit("us"))
