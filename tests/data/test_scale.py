# ruff: noqa: PD011  (Windows.values is a tensor of our own)
"""Columns whose scale the train rows do not tell are named, before a score is made of them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.data import Table, make_splits
from tsprune.data.catalog import CATALOG, SHARES
from tsprune.data.scale import scale_problems
from tsprune.errors import UserError

LENGTHS = {"seq_len": 6, "label_len": 3, "pred_len": 2}
GOOD = np.random.default_rng(0).normal(size=100)


def table_of(*columns: np.ndarray) -> Table:
    values = np.stack([GOOD, *columns], axis=1)
    dates = np.datetime64("2020-01-01") + np.arange(len(values)) * np.timedelta64(1, "h")
    return Table(
        name="mine",
        values=values,
        columns=("good", "x")[: values.shape[1]],
        dates=pd.DatetimeIndex(dates),
        time_step="1h",
        split=SHARES,
        blocked=np.zeros(len(values), dtype=bool),
        source="made up",
    )


def told(column: np.ndarray) -> tuple[list[str], list[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return scale_problems(np.asarray(column, dtype=float)[:, None], ["x"], 70)


CONSTANT = np.where(np.arange(100) < 70, 5.0, np.arange(100))
JITTER = np.where(np.arange(100) == 3, 5.0 + 1e-14, CONSTANT)


def test_a_column_that_is_constant_in_the_train_rows_only_is_named_with_what_it_does_to_the_score():
    problems, _ = told(CONSTANT)
    assert problems == [
        "column 'x' is constant (5) in the train rows (the first 70) and goes from 5 to 99 in all: no scale can be "
        "learnt from that, and its errors would swamp those of all others in every score; leave it out, or begin where "
        "it changes"
    ]
    with pytest.raises(UserError, match=r"mine: column 'x' is constant \(5\) in the train rows"):
        make_splits(table_of(CONSTANT), **LENGTHS)


def test_one_that_changes_by_little_in_its_own_unit_is_a_note():
    column = np.where(np.arange(100) < 80, 0.0, 1.0)
    assert told(column) == (
        [],
        [
            "column 'x' is constant (0) in the train rows (the first 70) and goes from 0 to 1 in all: no scale can be "
            "learnt from that, so it counts in its own unit in the score"
        ],
    )
    assert make_splits(table_of(column), **LENGTHS).test.values[-1, 1] == 1.0


@pytest.mark.parametrize(
    "column",
    [JITTER, 0.1 + 0.2 * (np.arange(100) % 2) * 1e-15, 2.0**53 + np.arange(100), np.float32(0.1) + GOOD * 1e-9],
)
def test_a_column_that_is_constant_up_to_rounding_is_named(column):
    (problem,), _ = told(column)
    assert problem.startswith("column 'x' is constant up to rounding in the train rows (the first 70)")
    with pytest.raises(UserError, match="constant up to rounding"):
        make_splits(table_of(column), **LENGTHS)


def test_a_column_that_is_constant_throughout_is_a_note():
    assert told(np.full(100, 0.1)) == ([], ["column 'x' is constant (0.1): it is scaled to 0"])
    assert (make_splits(table_of(np.full(100, 0.1)), **LENGTHS).train.values[:, 1] == 0).all()


@pytest.mark.parametrize(
    ("factor", "text"), [(1e200, "overflows"), (1e38, "overflows"), (1e-200, "underflows"), (5e-318, "underflows")]
)
def test_values_whose_variance_leaves_the_range_of_the_arithmetic_are_refused(factor, text):
    (problem,), _ = told(GOOD * factor)
    assert text in problem and "unit" in problem


@given(st.floats(-30, 30), st.integers(0, 99))
def test_what_is_let_through_has_finite_scaled_values(power, row):
    values = GOOD.copy()
    values[row] = 10.0**power
    problems, _ = told(values)
    if not problems:
        scaled = make_splits(table_of(values), **LENGTHS).train.values
        assert np.isfinite(scaled.numpy()).all() and np.abs(scaled.numpy()).max() < 1.1e4


def test_values_far_from_the_train_rows_are_noted_and_farther_ones_refused():
    values = GOOD.copy()
    values[90] = 500.0
    problems, (note,) = told(values)
    assert problems == [] and note.startswith("column 'x' goes 5") and note.endswith("such values dominate the score")
    values[70:] = 150.0
    assert "its errors would swamp those of all others" in told(values)[0][0]
    values = np.where(np.arange(100) == 90, 1e6, GOOD)
    assert "its errors would swamp those of all others" in told(values)[0][0]


@pytest.mark.parametrize(("rows", "first"), [([5], "1e+09"), ([5, 40], "1e+09"), ([40], "-1e+09")])
def test_a_few_values_that_make_the_scale_are_noted(rows, first):
    values = np.random.default_rng(1).normal(1200, 50, size=1000)
    values[rows] = float(first)
    problems, (note,) = scale_problems(values[:, None], ["x"], 700)
    deviation = values[:700].std()
    assert problems == [] and note.startswith(
        f"column 'x' has a standard deviation of {deviation:.3g} in the train rows"
    )
    assert f"without {len(rows)} of its values (the first is {first})" in note and note.endswith("are they readings?")


def test_heavy_tails_and_many_far_values_are_no_spikes():
    generator = np.random.default_rng(2)
    tail, many = generator.standard_t(2, size=1000), generator.normal(size=1000)
    many[::20] += 1e4
    assert scale_problems(np.stack([tail, many], axis=1), ["tail", "many"], 700) == ([], [])


def test_missing_and_infinite_values_are_left_to_others():
    values = GOOD.copy()
    values[::3] = np.nan
    assert told(values) == ([], [])
    assert told(np.full(100, np.nan)) == ([], [])
    assert told(np.where(np.arange(100) == 5, np.inf, GOOD)) == ([], [])


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.fingerprints])
@pytest.mark.parametrize("raw", [False, True])
def test_nothing_of_the_catalogue_is_refused(real_table, name, raw):
    table = real_table(name, raw=raw)
    (_, train), *_, (_, end) = table.split.borders(len(table.dates))
    assert scale_problems(table.values[:end], table.columns, train)[0] == []
