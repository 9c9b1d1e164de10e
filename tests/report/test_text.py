"""What all studies write alike: the first sentence for an index, banners, parameters in a line, differences."""

import html
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.report.markdown import MarkdownFilter
from tsprune.report.text import (
    banner,
    counted,
    describe_parameters,
    duration_text,
    headline,
    literal,
    mean_text,
    number,
    on_data,
    short_interval,
    short_number,
    sized,
    span,
    spread_text,
    times,
    whole_count,
)


def test_a_model_beside_itself_is_the_same_and_no_difference_of_nothing():
    row = {"relative": 0.0, "low": 0.0, "high": 0.0, "seeds": 5}
    assert short_interval(row) == "the same"
    assert short_interval(row | {"high": 0.01}) == "+0.0 (0.0…1.0)"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**A** holds to 0.41 (59 % gone). **B** does not.", "A holds to 0.41 (59 % gone)."),
        ("# Title\n\nIt *works* with `d_model` [here](x.html). More.", "It works with d_model here."),
        ("> Quoted\n> text! Next.", "Quoted text!"),
        ("- one\n- two", "one two"),
        ("![alt](x.png)Only this", "Only this"),
        ("", ""),
    ],
)
def test_headline_is_the_first_sentence_without_signs(markdown, text):
    assert headline(markdown) == text


def test_banner_has_an_icon_a_word_and_no_markup_from_its_text():
    shown = banner("<b>Synthetic</b> data")._repr_html_()
    assert "⚠" in shown and "Note" in shown and 'role="note"' in shown
    assert "&lt;b&gt;Synthetic" in shown


def test_describe_parameters_fits_a_line():
    parameters = {
        "dataset": "ETTh1",
        "models": ["A", "B"],
        "densities": [0.8**i for i in range(11)],
        "bf16": False,
        "x": None,
    }
    assert describe_parameters(parameters) == "dataset ETTh1 · models A, B · densities 1, 0.8 … 0.1074 (11) · bf16 no"


def test_a_first_sentence_names_its_data_and_of_many_how_many():
    assert on_data(["ETTh1"] * 3) == "On ETTh1"
    assert on_data(["ETTh1", "Exchange", "ETTh1"]) == "On ETTh1 and Exchange"
    assert on_data(["a", "b", "c"]) == "On 3 datasets"


@given(st.floats(0.001, 5), st.floats(0.001, 5), st.booleans())
def test_the_span_of_a_difference_has_no_sign_and_its_smaller_end_first(a, b, lower):
    low, high = sorted((a, b))
    ends = {"low": -high, "high": -low} if lower else {"low": low, "high": high}
    shown = [float(part.removesuffix("\u00a0%")) for part in span(ends).split(" to ")]
    assert shown == pytest.approx([100 * low, 100 * high], rel=0.06, abs=0.06)


def test_what_an_error_rests_on_is_the_mean_of_the_seeds_that_finished():
    cells = pd.DataFrame({"seed": [1, 2, 2], "status": ["ok", "ok", "failed"]})
    assert mean_text(cells) == "mean of 2 seeds"
    assert mean_text(cells.iloc[[0, 2]]) == spread_text(cells.iloc[[0, 2]]) == "one seed"
    assert mean_text(cells.iloc[[2]]) == spread_text(cells.iloc[[2]]) == "no seed"


def test_weights_are_counted_in_whole_thousands():
    assert [whole_count(n) for n in (853, 36_864, 999_700, 1_250_000)] == ["853", "37k", "1.0M", "1.2M"]


NAMES = (
    "<img src=x onerror=alert(3)>",
    "[click](javascript:alert(4))",
    "![p](data:image/png;base64,AAAA)",
    "**bold** `x` $\\alpha$ {{7*7}} {% raw %} <b>",
    "load_a_b",
    "_x_ | # ~~y~~ &lt;",
    "http://evil.example/p.png www.evil.example a@evil.example",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_out_of_somebodys_data_is_shown_letter_by_letter(name):
    shown = MarkdownFilter(Path()).output(f"On {literal(name)} (2 seeds), all is well. More.")
    assert html.unescape(re.sub("</?p>", "", shown)).strip() == f"On {name} (2 seeds), all is well. More."
    assert not re.findall("<(?!/?p>)", shown)
    assert headline(f"On {literal(name)} (2 seeds), all is well. More.") == f"On {name} (2 seeds), all is well."


def test_of_a_file_its_name_is_shown_and_not_its_folder():
    assert describe_parameters({"dataset": "/home/somebody/load.csv"}) == "dataset load.csv"


def test_the_size_of_a_run_stands_right_after_the_answer():
    assert sized("The answer.\n\nDetails.\n\n- more", "Small.") == "The answer.\n\n*Small.*\n\nDetails.\n\n- more"
    assert sized("The answer.", "Small.") == "The answer.\n\n*Small.*"
    assert headline(sized("The answer. More.", "Small.")) == "The answer."
    beside = sized("The answer.\n\n*But **A** is bad.*\n\n- more", "Small.")
    assert beside == "The answer.\n\n*But **A** is bad. Small.*\n\n- more", "what is to be seen at once"


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0.25, "15 minutes"),
        (1, "1 hour"),
        (24, "24 hours"),
        (96, "96 hours, 4 days"),
        (720, "30 days"),
        (24 * 7 * 24, "24 weeks"),
        (24 * 400, "400 days"),
        (1.5, "90 minutes"),
    ],
)
def test_lengths_of_time_are_in_whole_units(hours, text):
    assert duration_text(pd.Timedelta(hours=hours)) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.051, "+5.1"), (-0.14, "−14"), (0, "+0.0"), (0.0004, "+0.04"), (-0.000034, "−0.003"), (1e-9, "+0.0")],
)
def test_a_difference_that_is_not_zero_does_not_read_as_zero(share, text):
    assert number(share) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(2.44, "2.4 times"), (9.96, "10 times"), (47.2, "47 times"), (288, "290 times"), (1234, "1,200 times")],
)
def test_how_many_times_is_a_number_for_people(ratio, text):
    assert times(ratio) == text


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (99.94, "99.9"), (99.96, "100"), (0.5, "0.500"), (-250.2, "-250")]
)
def test_numbers_in_the_datas_units_are_short(value, text):
    assert short_number(value) == text


def test_one_of_a_thing_is_no_plural():
    assert [counted(count, "epoch") for count in (1, 2, 1200)] == ["1 epoch", "2 epochs", "1,200 epochs"]
    assert [counted(count, "window") for count in (1_234_567, 0.5)] == ["1,234,567 windows", "0.5 windows"]
