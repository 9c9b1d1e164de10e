# ruff: noqa: PD011  (Table.values and Windows.values are arrays of our own)
import numpy as np
import pandas as pd

from tsprune.data import load_table
from tsprune.data.synthetic import synthetic_frame


def test_it_has_the_shape_of_ett_and_the_same_bits_every_time():
    first, second = load_table("synthetic"), load_table("synthetic")
    assert first.values.shape == (17_420, 7)
    assert first.dates.equals(pd.date_range("2016-07-01", periods=17_420, freq="1h"))
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint == "7121faf68d9471add39a1edca5d587c5dc0e6d0f544fd552b5838709143028a1"
    assert np.array_equal(first.values, second.values)


def test_a_shorter_series_is_the_beginning_of_a_longer_one():
    assert np.array_equal(synthetic_frame(500)[0], synthetic_frame(900)[0][:500])


def test_it_has_trend_daily_and_weekly_season_cross_channel_ties_and_noise():
    values = load_table("synthetic").values
    loads = values[:, :6]
    spectrum = np.abs(np.fft.rfft(values[: 100 * 168] - values[: 100 * 168].mean(0), axis=0))
    day, week_below_day = 700, 600  # cycles in 100 weeks: one per day, and one per day less one per week
    for column in range(6):
        floor = np.median(spectrum[:, column])
        assert spectrum[day, column] > 50 * floor
        assert spectrum[week_below_day, column] > 5 * floor
    year = 8766
    assert (np.abs(loads[-year // 2 :].mean(0) - loads[year // 2 : year].mean(0)) > 0.02).sum() >= 4  # trend
    daily_means = values[: 725 * 24].reshape(725, 24, 7).mean(1)
    ties = np.corrcoef(np.diff(daily_means, axis=0).T)
    assert np.abs(ties[np.triu_indices(7, 1)]).max() > 0.3
    hourly = np.diff(values, n=2, axis=0)
    assert (hourly.std(0) > 0.05).all()  # noise: the seasons alone are smooth


def test_repeating_the_day_before_is_neither_perfect_nor_useless():
    values = load_table("synthetic").values
    scaled = (values - values.mean(0)) / values.std(0)
    error = np.square(scaled[24:] - scaled[:-24]).mean()
    assert 0.02 < error < 1.0
