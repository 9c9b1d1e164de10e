"""Errors over the last rows, by hand, and what a forecast may see of them."""

import numpy as np
import pandas as pd
import pytest

from tests.deploy.small import ABOUT, INTERVALS, frame, tiny
from tsprune.deploy import Forecaster
from tsprune.deploy.backtest import backtest
from tsprune.errors import UserError
from tsprune.models import save_checkpoint


def ramp(rows):
    """Values that rise by a standard deviation an hour."""
    values = np.arange(rows)[:, None] * np.array(ABOUT.std) + np.array(ABOUT.mean)
    return pd.DataFrame(values, index=frame(rows).index, columns=list(ABOUT.columns))


def test_errors_are_those_by_hand_and_the_naive_stands_beside(tmp_path):
    """The last value is 1 to 8 standard deviations behind a ramp, the value a day before always 24."""
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=ABOUT)
    found = backtest(Forecaster.load(tmp_path / "x.safetensors"), ramp(24 + 3 * 8), 3)
    assert [str(date) for date in found.by_origin.index] == [
        f"2024-02-{day}:00:00" for day in ("27 23", "28 07", "28 15")
    ]
    np.testing.assert_allclose(found.by_origin["mae"], [4.5] * 3, rtol=1e-5)
    np.testing.assert_allclose(found.by_origin["mse"], [(8 * 9 * 17 / 6) / 8] * 3, rtol=1e-5)
    np.testing.assert_allclose(found.by_origin["last_mae"], [4.5] * 3, rtol=1e-5)
    np.testing.assert_allclose(found.by_origin["seasonal_mae"], [24] * 3, rtol=1e-5)
    np.testing.assert_allclose(found.by_origin["seasonal_mse"], [24**2] * 3, rtol=1e-5)
    np.testing.assert_allclose(found.by_column["mae"], 4.5 * np.array(ABOUT.std), rtol=1e-5)
    np.testing.assert_allclose(found.by_column["last_mae"], 4.5 * np.array(ABOUT.std), rtol=1e-5)
    text = str(found)
    assert "forecasts: 3 of 8 time steps, each from the 24 before" in text and "mean absolute error in MW" in text
    assert "last: the last value, repeated\nseasonal: the value one season (24 time steps) before\n" in text


def test_a_back_test_says_what_the_intervals_hold(tmp_path):
    """Ramps of 1.5, 0.9, 1 standard deviations a step; the intervals of 0.5 widen by 1, 1, 2: the first leaves them."""
    about = ABOUT.model_copy(update={"intervals": INTERVALS})
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=about)
    rows = (ramp(40) - np.array(ABOUT.mean)) * [1.5, 0.9, 1.0] + np.array(ABOUT.mean)
    found = backtest(Forecaster.load(tmp_path / "x.safetensors"), rows, 2)
    assert found.within == {0.5: pytest.approx(2 / 3), 0.9: 1.0}
    assert "within the 90% intervals: 100.0% of the values" in str(found)


def test_columns_without_errors_do_not_raise_what_the_intervals_hold(tmp_path):
    """The second column rises out of all its intervals, the third stays as it was."""
    widths = INTERVALS.model_copy(update={"columns": ((1.0, 0.1, 0.0),) * 2})
    about = ABOUT.model_copy(update={"intervals": widths})
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=about)
    forecaster, rows = Forecaster.load(tmp_path / "x.safetensors"), ramp(40).assign(sun=-1.5)
    assert backtest(forecaster, rows, 2).within == {0.5: pytest.approx(0.5, abs=0.5 / 8), 0.9: 0.5}
    filled = np.zeros((40, 3), bool)
    filled[24:, :2] = True
    assert backtest(forecaster, rows, 2, filled).within == {}


def test_forecasts_of_a_daily_series_are_named_by_their_days(tmp_path):
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=ABOUT.model_copy(update={"time_step": "1D"}))
    rows = ramp(40)
    rows = rows.set_axis(pd.date_range("2024-01-01", periods=40, freq="D"))
    text = str(backtest(Forecaster.load(tmp_path / "x.safetensors"), rows, 2))
    assert "\n2024-01-24 " in text and "\n2024-02-01 " in text and "00:00" not in text


@pytest.mark.parametrize("season", [None, 1, 25])
def test_without_a_season_in_the_look_back_none_is_repeated(tmp_path, season):
    about = ABOUT.model_copy(update={"season": season})
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=about)
    found = backtest(Forecaster.load(tmp_path / "x.safetensors"), frame(40), 2)
    assert list(found.by_origin) == ["mse", "mae", "last_mse", "last_mae"] and list(found.naive) == ["last"]
    np.testing.assert_allclose(found.by_origin["mse"], found.by_origin["last_mse"], rtol=1e-5)


def test_a_forecast_sees_nothing_of_what_it_is_compared_with(exported):
    forecaster, rows = Forecaster.load(exported / "tcn.onnx"), frame(48)
    found = backtest(forecaster, rows, 2)
    wanted = (forecaster.predict(rows.iloc[:40]) - rows.iloc[40:]) / np.array(ABOUT.std)
    assert found.by_origin["mae"].iloc[1] == pytest.approx(wanted.abs().to_numpy().mean(), rel=1e-9)


def test_what_was_filled_in_is_not_compared_with(tmp_path):
    """Of the last horizon all but the first step, of the one before the first column."""
    save_checkpoint(tmp_path / "x.safetensors", tiny("RepeatLast"), about=ABOUT)
    forecaster, rows = Forecaster.load(tmp_path / "x.safetensors"), ramp(40)
    filled = np.zeros((40, 3), bool)
    filled[33:] = filled[24:32, 0] = True
    found = backtest(forecaster, rows, 2, filled)
    np.testing.assert_allclose(found.by_origin["mae"], [4.5, 1], rtol=1e-5)
    np.testing.assert_allclose(found.by_column["mae"], np.array([1, 37 / 9, 37 / 9]) * ABOUT.std, rtol=1e-5)
    assert found.left_out == 29 and "not counted: 29 values that were filled in" in str(found)
    filled[32] = True
    assert np.isnan(backtest(forecaster, rows, 2, filled).by_origin["seasonal_mse"].iloc[1])
    with pytest.raises(
        UserError, match="every value of the last 8 rows was filled in; there is nothing to compare with"
    ):
        backtest(forecaster, rows, 1, filled)


def test_too_few_rows_and_no_forecast_are_told(exported):
    forecaster = Forecaster.load(exported / "linear.onnx")
    needs = r"rows; a back-test of 5 forecasts of 8 time steps needs 64 \(DLinear looks back 24 time steps\)"
    for rows, rest in ((63, "; 4 would fit"), (32, "; 1 would fit"), (31, "")):
        with pytest.raises(UserError, match=f"^{rows} {needs}{rest}$"):
            backtest(forecaster, frame(rows), 5)
    with pytest.raises(UserError, match="at least 1"):
        backtest(forecaster, frame(63), 0)
