# ruff: noqa: PD011  (Table.values is an array of our own)
import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tsprune.data import load_table, make_splits
from tsprune.study.base.notice import stand_in
from tsprune.study.base.protocol import data_lines
from tsprune.study.base.units import scale_of, unit_of


@pytest.fixture(scope="module")
def table():
    return load_table("synthetic_short")


def test_a_scaled_error_of_one_is_what_the_splits_divide_by(table):
    values = table.values.copy()
    values[:2500, 1] = 3.0  # constant in the training rows
    splits = make_splits(table, seq_len=24, label_len=0, pred_len=12)
    np.testing.assert_array_equal(scale_of(table), splits.std)
    assert scale_of(dataclasses.replace(table, values=values))[1] == 1.0
    assert unit_of(table) is None


def test_dates_of_the_splits_and_lengths_in_hours_are_told(table):
    config = SimpleNamespace(seq_len=96, pred_lens=[24, 96])
    lines = data_lines(table, config)
    assert lines["training rows"] == "2016-07-01 to 2016-09-26 11:00 (2,100 rows)"
    assert lines["validation rows"] == "2016-09-26 12:00 to 2016-10-08 23:00 (300 rows)"
    assert lines["test rows"] == "2016-10-09 to 2016-11-02 23:00 (600 rows)"
    assert lines["look-back"] == "96 time steps (96 hours, 4 days)"
    assert lines["forecast"] == "24 time steps (24 hours); 96 time steps (96 hours, 4 days) ahead"
    assert lines["scaled error of 1"].startswith("load_1 ") and "OT" in lines["scaled error of 1"]
    some = data_lines(load_table("synthetic_short", columns=["OT", "load_1"]), config)
    assert some["columns"] == "2 of 7, chosen: OT, load_1" and "columns" not in lines


def test_time_steps_of_differing_length_have_none(table):
    months = dataclasses.replace(table, dates=pd.date_range("1800-01-01", periods=3000, freq="MS", unit="s"))
    assert data_lines(months, SimpleNamespace(seq_len=12, pred_lens=[1]))["look-back"] == "12 time steps"


def test_made_up_data_is_told_with_why_and_where_the_file_goes(table):
    assert stand_in(table) is None
    said = stand_in(dataclasses.replace(table, stands_in_for="ETTh1")).data
    for part in (
        "Synthetic data",
        "ETTh1 is not available here",
        "ETTh1.csv into data/",
        "TSPRUNE_DATA",
        "data fetch ETTh1",
    ):
        assert part in said
