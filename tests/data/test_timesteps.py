"""Time steps: found from stamps, made into a grid, counted before they are made."""

from functools import cache

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.data.timesteps import canonical, count_steps, detect_step, fixed_length, following, grid, season_of
from tsprune.errors import UserError

FIXED = ["1s", "15min", "1h", "12h", "1D", "4D", "7D", "10D", "14D", "28D"]
CALENDAR = [
    *("B", "MS", "ME", "BMS", "BME", "2MS", "QS-JAN", "QS-FEB", "QS-MAR", "QE-DEC", "QE-OCT", "BQS-JAN", "BQE-DEC"),
    *("6MS", "6ME", "YS", "YE", "YS-APR", "YE-JUN", "BYE-DEC", "10YS"),
    *("days 15", "days 30", "days 1,15", "days 1,16", "days 15,last", "days 1,11,21", "days 10,20,last"),
    *("days Mon,Tue,Wed,Thu,Fri,Sat", "days Mon,Tue,Wed,Thu,Sun"),
    *("days 10,20,28", "days 15,30", "days Mon,Thu", "days Mon,Wed,Fri"),
    *("days 1,6,11,16,21,26", "days 5 of months 4", "days 15 of months 1,7", "days 10 of months 1,4,7,10"),
]
FIRST, LAST = pd.Timestamp("2001-01-01"), pd.Timestamp("2061-01-01")


@cache
def about_300(step: str) -> pd.DatetimeIndex:
    first, second = grid(FIRST, LAST, step)[:2]
    return grid(FIRST, FIRST + 300 * (second - first), step)


@pytest.mark.parametrize("step", [*FIXED, *CALENDAR])
def test_a_step_is_found_from_its_own_grid_and_counted_without_it(step):
    last = FIRST + pd.Timedelta("20D") if fixed_length(step) and fixed_length(step) < pd.Timedelta("1D") else LAST
    stamps = grid(FIRST, last, step)
    assert detect_step(stamps) == step
    counted = count_steps(FIRST, last, step)
    assert counted == len(stamps) if fixed_length(step) else abs(counted - len(stamps)) <= 0.15 * len(stamps) + 3


@pytest.mark.parametrize("step", [*FIXED, *CALENDAR])
def test_what_follows_a_stamp_is_what_its_grid_goes_on_with(step):
    stamps = grid(FIRST, LAST, step) if not fixed_length(step) else pd.date_range(FIRST, periods=40, freq=step)
    count = min(20, len(stamps) - 2)
    assert list(following(stamps[1], step, count)) == list(stamps[2 : count + 2])


@pytest.mark.parametrize(
    "step", ["15min", "1D", "B", "MS", "BME", "QS-JAN", "6MS", "YS-APR", "days 1,11,21", "days 15"]
)
@given(data=st.data())
def test_a_step_is_found_where_some_stamps_are_absent(step, data):
    stamps = about_300(step)
    gone = data.draw(st.sets(st.integers(1, len(stamps) - 2), max_size=len(stamps) // 10))
    assert detect_step(stamps.delete(sorted(gone))) == step


def test_steps_of_one_length_have_one_name():
    assert [canonical(step) for step in ("60min", "h", "24h", "168h", "90s", "15min")] == [
        *("1h", "1h", "1D", "7D", "90s", "15min")
    ]
    assert [canonical(step) for step in ("B", "MS", "days 1,15", "W-MON")] == ["B", "MS", "days 1,15", "W-MON"]


def test_stamps_that_avoid_weekends_are_business_days_and_others_are_not():
    daily = pd.date_range("2010-01-04", periods=60)
    assert detect_step(daily) == "1D"
    assert detect_step(daily[daily.day_of_week < 5]) == "B"
    assert detect_step(daily[daily.day_of_week != 6][:20]) == "1D"  # three Sundays may be three gaps
    assert detect_step(daily[:5]) == "1D"  # Monday to Friday: no weekend is left out
    assert detect_step(daily[daily.day_of_week < 5] + pd.Timedelta("16h")) == "B"


def test_days_of_the_week_are_a_step_where_one_or_two_are_closed_for_weeks():
    shops = grid(pd.Timestamp("2020-01-01"), pd.Timestamp("2020-06-30"), "days Mon,Tue,Wed,Thu,Fri,Sat")
    assert not (shops.day_of_week == 6).any() and len(shops) == 156
    assert detect_step(shops.delete(30)) == "days Mon,Tue,Wed,Thu,Fri,Sat"
    assert season_of("days Mon,Tue,Wed,Thu,Fri,Sat") == 6
    assert detect_step(shops[shops.day_of_week > 2]) == "1D"  # four days off: more than any week has


def test_days_of_the_month_are_cut_to_short_months():
    assert grid(pd.Timestamp("2001-01-30"), pd.Timestamp("2001-04-30"), "days 30").strftime("%m-%d").tolist() == [
        *("01-30", "02-28", "03-30", "04-30")
    ]
    halves = grid(pd.Timestamp("2000-02-15 06:00"), pd.Timestamp("2000-03-31 06:00"), "days 15,last")
    assert halves.strftime("%m-%d %H").tolist() == ["02-15 06", "02-29 06", "03-15 06", "03-31 06"]
    assert grid(FIRST, pd.Timestamp("2002-12-31"), "day 5 of month 4").strftime("%Y-%m-%d").tolist() == [
        *("2001-04-05", "2002-04-05")
    ]


def test_seconds_over_centuries_are_counted_at_once():
    assert count_steps(pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01"), "1s") == 15_778_454_401
    assert count_steps(pd.Timestamp("0001-01-01"), pd.Timestamp("9999-01-01"), "B") > 2_000_000


@pytest.mark.parametrize("step", ["often", "", "0h", "-1h", "days", "days x", "day 1,", "days 1 of months"])
def test_what_is_no_step_is_refused(step):
    with pytest.raises(UserError, match="not a time step; write it like '15min'"):
        fixed_length(step)


@pytest.mark.parametrize("step", ["99999999999h", f"{10**22}h", "99999999999D", "99999999999B", "1201MS", "101YS"])
def test_a_step_longer_than_a_century_is_refused(step):
    with pytest.raises(UserError, match=r"^time_step = '.*': too long; a time step has a hundred years at most$"):
        fixed_length(step)
    for longest in ("100YS", "1200MS", "36525D", "876600h"):
        fixed_length(longest)


@pytest.mark.parametrize("step", ["days 0,3", "days 32", "days 1 of months 13", "days 1 of months 0"])
def test_days_and_months_out_of_range_are_refused(step):
    with pytest.raises(UserError, match="days go from 1 to 31 or 'last', months from 1 to 12"):
        grid(FIRST, LAST, step)


SEASONS = {"1s": 86_400, "15min": 96, "7min": 1, "24h": 7, "B": 5, "W-MON": 52, "MS": 12, "BME": 12, "QS-JAN": 4}
SEASONS |= {"BQE-DEC": 4, "6MS": 2, "2MS": 6, "5MS": 1, "YS-APR": 1, "2YS": 1, "SMS": 24, "days 1,15": 24}
SEASONS |= {"days 1,11,21": 36, "days 15 of months 1,7": 2, "14D": 1}


@pytest.mark.parametrize(("step", "season"), SEASONS.items())
def test_a_season_is_a_day_a_week_or_a_year(step, season):
    assert season_of(step) == season
