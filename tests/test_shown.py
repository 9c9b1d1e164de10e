"""What a message shows of names and cells that come from a file."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.errors import meant
from tsprune.shown import listed, more, plain, quoted, shown_date, shown_dates


def test_signs_that_a_terminal_would_obey_or_hide_are_escaped():
    assert plain("\x1b[31mred\x07") == r"\x1b[31mred\x07"
    assert plain("a\nb\tc\r") == r"a\nb\tc\r"
    assert plain("\u202eabc\u200b") == r"\u202eabc\u200b"
    assert plain("größe ⚡ (µmol)") == "größe ⚡ (µmol)"


def test_a_long_text_is_cut_and_its_length_told():
    assert plain("x" * 60) == "x" * 60
    assert plain("x" * 200_000) == "x" * 60 + "... (200,000 characters)"
    assert quoted("ab") == "'ab'"


@given(st.text(max_size=300))
def test_what_is_shown_is_one_short_printable_line(text):
    shown = plain(text)
    assert shown.isprintable() and len(shown) <= 60 * 10 + 20


def test_of_many_names_the_first_are_listed():
    assert listed(["a", "b\n"]) == r"a, b\n"
    assert listed([f"c{i}" for i in range(10_000)], most=2) == "c0, c1 and 9,998 more"
    assert more(0) == "" and more(3) == " (and 3 more)"


def test_dates_are_days_where_all_are_midnights():
    days = pd.date_range("2020-02-28", periods=4, freq="D")
    assert shown_dates(days, [0, -1]) == ["2020-02-28", "2020-03-02"]
    assert shown_date(pd.Timestamp("2020-03-04"), days) == "2020-03-04", "a day among days, though not one of them"
    assert shown_date(pd.Timestamp("2020-03-04 06:00"), days) == "2020-03-04 06:00:00"
    hours = pd.date_range("2020-02-28", periods=25, freq="h")
    assert shown_date(hours[0], hours) == "2020-02-28 00:00:00"
    assert shown_dates(hours, [0, -1]) == ["2020-02-28 00:00:00", "2020-02-29 00:00:00"], "of which two are midnights"


@pytest.mark.parametrize(
    ("name", "options", "close"),
    [
        ("Autofomer", ["Autoformer", "DLinear"], "Autoformer"),
        ("tmep", ["temp", "item_4"], "temp"),
        ("lambda", ["gamma", "lam"], "lam"),
        ("temp", ["item_4", "load"], None),
        ("gpu", ["cpu"], None),
    ],
)
def test_a_name_is_offered_where_it_may_be_a_slip_of_the_one_given(name, options, close):
    assert meant(name, options) == (f"; did you mean '{close}'?" if close else "")
