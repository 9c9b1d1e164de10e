"""How the loss falls with the data: a power law by least squares, and the band it lies in."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune.study.entsoe_scale.fits import fitted


def trainings(windows, mse) -> pd.DataFrame:
    return pd.DataFrame({"windows_train": windows, "mse": mse})


@settings(deadline=None, max_examples=30)
@given(st.floats(-1.5, 0.5), st.floats(0.01, 10), st.integers(3, 8))
def test_a_law_without_noise_is_found_and_its_band_has_no_width(slope, factor, count):
    windows = 100 * 2.0 ** np.arange(count)
    law = fitted(trainings(windows, factor * windows**slope))
    assert law.slope == pytest.approx(slope, abs=1e-9)
    assert law.twice() == pytest.approx([2**slope - 1] * 3, abs=1e-6)
    for edge in law.band(windows):
        assert edge == pytest.approx(factor * windows**slope, rel=1e-6)


def test_the_band_is_that_of_the_textbook():
    """ln windows 0, 1, 2 and ln mse 0, 1, 0: flat, at 1/3, residuals -1/3, 2/3, -1/3, one degree of freedom."""
    law = fitted(trainings(np.exp([0.0, 1.0, 2.0]), np.exp([0.0, 1.0, 0.0])))
    deviation = np.sqrt(6 / 9)
    assert (law.slope, law.at, law.deviation) == pytest.approx((0, 1 / 3, deviation), abs=1e-12)
    error = 12.7062047 * deviation / np.sqrt(2)
    assert law.twice() == pytest.approx((0, 2**-error - 1, 2**error - 1), rel=1e-6)
    line, low, high = law.band(np.exp([1.0, 3.0]))
    half = 12.7062047 * deviation * np.sqrt([1 / 3, 1 / 3 + 4 / 2])
    assert np.log(low) == pytest.approx(np.log(line) - half, rel=1e-6)
    assert np.log(high) == pytest.approx(np.log(line) + half, rel=1e-6)


@pytest.mark.parametrize("windows", [[100, 200], [100, 100, 100]])
def test_no_law_is_told_from_too_few_trainings_or_one_amount(windows):
    assert fitted(trainings(windows, [0.5, 0.4, 0.3][: len(windows)])) is None
