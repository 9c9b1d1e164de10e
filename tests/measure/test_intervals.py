"""Intervals of a model come from the validation windows; what they cover from those of the test."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tsprune.data import load_table, make_splits
from tsprune.data.intervals import conformal
from tsprune.errors import UserError
from tsprune.measure import intervals, prediction_intervals
from tsprune.models import create_model

SIZES = {"seq_len": 24, "label_len": 12, "pred_len": 6}


@pytest.fixture(scope="module")
def splits():
    return make_splits(load_table("synthetic_short"), **SIZES)


def repeated(windows, every=1):
    """Errors of a forecast that repeats the last value."""
    scaled = windows.values.double().numpy()
    last = windows.starts.numpy()[::every] + 23
    return np.stack([scaled[row] - scaled[row + 1 : row + 7] for row in last])


def test_they_are_those_of_every_window(splits):
    model = create_model("RepeatLast", **SIZES)
    assert prediction_intervals(model, splits) == conformal(repeated(splits.val), repeated(splits.test))


def test_of_too_many_windows_some_at_even_distances_are_taken(splits, monkeypatch):
    monkeypatch.setattr(intervals, "MOST_NUMBERS", 50 * 6 * 7)
    every = [-(-len(windows) // 50) for windows in (splits.val, splits.test)]
    found = prediction_intervals(create_model("RepeatLast", **SIZES), splits)
    assert found == conformal(repeated(splits.val, every[0]), repeated(splits.test, every[1]))
    assert found.windows <= 50


def test_what_is_constant_has_no_errors_as_its_forecast_keeps_its_value():
    table = load_table("synthetic_short")
    values = table.values.copy()
    values[:, 1] = 3.0
    splits = make_splits(replace(table, values=values), **SIZES)
    torch.manual_seed(1)
    found = prediction_intervals(create_model("DLinear", **SIZES), splits)
    assert all(widths[1] == 0 and min(widths[:1] + widths[2:]) > 0 for widths in found.columns)


def test_of_pooled_series_a_window_is_of_one_and_none_is_taken_for_constant():
    table = load_table("synthetic_short")
    table = replace(table, pooled=True, blocked=np.zeros(table.values.shape, bool))
    splits = make_splits(table, **SIZES)
    splits.std[0] = 1.0
    model = create_model("RepeatLast", **SIZES, enc_in=1, dec_in=1, c_out=1)
    assert prediction_intervals(model, splits) == conformal(repeated(splits.val), repeated(splits.test))


def test_a_model_is_left_as_it_was_and_one_without_finite_forecasts_is_refused(splits):
    model = create_model("DLinear", **SIZES).train()
    prediction_intervals(model, splits)
    assert model.training
    with torch.no_grad():
        model.trend.bias.fill_(float("inf"))
    with pytest.raises(UserError, match="not all finite"):
        prediction_intervals(model, splits)
