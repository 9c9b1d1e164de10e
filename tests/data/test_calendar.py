import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from tsprune.data.calendar import calendar_fields, field_names, time_features
from tsprune.errors import UserError

STAMPS = st.lists(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)), min_size=1, max_size=20)


def naive(stamp: dt.datetime, freq: str) -> list[float]:
    field = {
        "second": stamp.second / 59,
        "minute": stamp.minute / 59,
        "hour": stamp.hour / 23,
        "weekday": stamp.weekday() / 6,
        "day": (stamp.day - 1) / 30,
        "yearday": (stamp.timetuple().tm_yday - 1) / 365,
        "week": (stamp.isocalendar().week - 1) / 52,
        "month": (stamp.month - 1) / 11,
    }
    names = {
        "s": "second minute hour weekday day yearday",
        "t": "minute hour weekday day yearday",
        "h": "hour weekday day yearday",
        "d": "weekday day yearday",
        "b": "weekday day yearday",
        "w": "day week",
        "m": "month",
        "a": "month",
    }[freq]
    return [field[name] - 0.5 for name in names.split()]


@given(STAMPS, st.sampled_from("stdhbwma"))
def test_equals_the_fields_of_each_stamp(stamps, freq):
    marks = time_features(pd.DatetimeIndex(stamps), freq)
    assert marks.shape == (len(stamps), len(field_names(freq))) and marks.dtype == np.float64
    np.testing.assert_allclose(marks, [naive(stamp, freq) for stamp in stamps], atol=1e-12)
    assert np.abs(marks).max() <= 0.5


def test_fields_are_those_of_a_calendar_on_the_wall():
    stamp = pd.DatetimeIndex(["2024-12-31 23:59:58"])  # a Tuesday, in the first ISO week of 2025
    fields = {
        freq: dict(zip(field_names(freq), calendar_fields(stamp, freq)[0].tolist(), strict=True)) for freq in "swm"
    }
    assert fields["s"] == {"second": 58, "minute": 59, "hour": 23, "weekday": 1, "day": 31, "yearday": 366}
    assert fields["w"] == {"day": 31, "week": 1} and fields["m"] == {"month": 12}


@pytest.mark.parametrize(
    "freq, count", [("h", 4), ("t", 5), ("s", 6), ("d", 3), ("b", 3), ("w", 2), ("m", 1), ("a", 1)]
)
def test_number_of_features_is_that_of_the_reference_embedding(freq, count):
    assert len(field_names(freq)) == count


def test_an_unknown_frequency_is_named():
    with pytest.raises(UserError, match=r"unknown frequency of time features 'hour'.*Allowed: s, t, h"):
        time_features(pd.DatetimeIndex(["2020-01-01"]), "hour")


@pytest.mark.parametrize(
    "key, dates, freq, row",
    [
        ("ETTh1/train/0", pd.date_range("2016-07-01", periods=17_420, freq="1h"), "h", 0),
        ("ETTh1/test/2784", pd.date_range("2016-07-01", periods=17_420, freq="1h"), "h", 11_520 - 96 + 2_784),
        ("Exchange/test/1421", pd.date_range("1990-01-01", periods=7_588, freq="1D"), "h", 7_588 - 1_517 - 96 + 1_421),
        (
            "ETTm_from_ETTh1_freq_t/test/11424",
            pd.date_range("2016-07-01", periods=69_680, freq="15min"),
            "t",
            46_080 - 96 + 11_424,
        ),
    ],
)
def test_equals_the_reference_marks(key, dates, freq, row):
    stored = load_file(Path(__file__).parents[1] / "golden" / "data_protocol.safetensors")
    marks = time_features(dates, freq)
    np.testing.assert_allclose(marks[row : row + 96], stored[f"{key}/seq_x_mark"], atol=1e-6)
    np.testing.assert_allclose(marks[row + 48 : row + 192], stored[f"{key}/seq_y_mark"], atol=1e-6)
