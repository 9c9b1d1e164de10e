import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.errors import UserError
from tsprune.report.frames import need, need_scopes
from tsprune.report.text import density_labels, density_text, error_text, listed, none_of, number, percent, short_count
from tsprune.study.pruning_sweep.result import need_limits


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12))
def test_density_labels_tell_every_density_apart(densities):
    labels = density_labels(densities)
    assert set(labels) == set(densities)
    assert len(set(labels.values())) == len(set(densities))
    assert list(labels) == sorted(set(densities), reverse=True)


def test_density_labels_are_short_where_they_can_be():
    assert list(density_labels([1.0, 0.8, 0.4096, 0.10737]).values()) == ["1", "0.8", "0.41", "0.11"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.44912, "0.449"),
        (0.0123, "0.0123"),
        (12.3456, "12.35"),
        (1234.5, "1234"),
        (3e7, "3.0e+07"),
        (4e-5, "4.0e-05"),
        (0, "0.0000"),
    ],
)
def test_error_text_keeps_three_to_four_digits(value, text):
    assert error_text(value) == text


def test_a_spread_has_the_decimals_of_its_mean():
    assert error_text(0.0123, like=0.449) == "0.012"


def test_percent_does_not_round_up_to_everything():
    assert percent(0.996).startswith("99.6")
    assert percent(0.9996).startswith("99.96")
    assert percent(0.999996).startswith("99.9996")
    assert percent(1.0).startswith("100")
    assert [percent(share).split("\u00a0")[0] for share in (0.59, 0.99, 0.994)] == ["59", "99", "99"]


@pytest.mark.parametrize(
    ("count", "text"), [(853, "853"), (31_900, "31.9k"), (999.6, "1k"), (999_600, "1M"), (0.45, "0.45"), (0, "0")]
)
def test_counts_have_three_digits(count, text):
    assert short_count(count) == text


def test_percent_does_not_round_down_to_nothing():
    shares = (0.005, 0.0043, 0.0001, -0.004, 0.006, 0.0)
    assert [percent(share).split("\u00a0")[0] for share in shares] == ["0.5", "0.4", "0.01", "−0.4", "1", "0"]


def test_what_rounds_to_nothing_has_no_sign():
    assert percent(-1e-9).split("\u00a0")[0] == "0" and number(-1e-9) == number(0.0) == "+0.0"


def test_a_density_below_dense_does_not_read_as_dense():
    assert [density_text(value) for value in (1.0, 0.996, 0.4096)] == ["1", "0.996", "0.41"]
    assert density_labels([0.9999, 0.5]) == {0.9999: "0.9999", 0.5: "0.5"}


def test_none_of_one_is_no_such_thing():
    assert [none_of(count, "cell") for count in (1, 4)] == ["no cell", "none of the 4 cells"]


def test_listed():
    assert [listed(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b, and c"]


def test_a_missing_column_and_an_empty_table_are_named():
    with pytest.raises(UserError, match=r"table 'cells': column 'mse' is missing\. Present: mae"):
        need(pd.DataFrame({"mae": [1.0]}), "cells", ["mae", "mse"])
    with pytest.raises(UserError, match="table 'cells' has no rows"):
        need(pd.DataFrame({"mse": []}), "cells", ["mse"])


def test_an_unknown_scope_is_refused_with_the_closest():
    with pytest.raises(UserError, match="unknown scope 'globl'; did you mean 'global'"):
        need_scopes(pd.DataFrame({"scope": ["globl"]}))


def test_limits_that_are_not_densities_are_refused(make_limits):
    limits = make_limits({("A", "layer"): (0.2, 0.4)})
    assert need_limits(limits) is limits
    with pytest.raises(UserError, match=r"model A, scope layer: density 0\.7 does not lie between limit_low 0\.2"):
        need_limits(limits.assign(density=0.7))
