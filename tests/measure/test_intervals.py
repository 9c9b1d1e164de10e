"""Intervals of a model come from the validation windows; what they cover from those of the test."""

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


def test_a_model_is_left_as_it_was_and_one_without_finite_forecasts_is_refused(splits):
    model = create_model("DLinear", **SIZES).train()
    prediction_intervals(model, splits)
    assert model.training
    with torch.no_grad():
        model.trend.bias.fill_(float("inf"))
    with pytest.raises(UserError, match="not all finite"):
        prediction_intervals(model, splits)
