"""The paired block bootstrap: right where the answer is known, honest where there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprune.errors import UserError
from tsprune.measure import paired_difference
from tsprune.measure.paired import _block_sums


def errors(seeds: int, windows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, size=(seeds, windows))


def test_a_constant_share_is_found_exactly():
    b = errors(3, 500)
    found = paired_difference(1.1 * b, b, block=50)
    assert found.relative == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1) and found.high == pytest.approx(0.1)
    assert found.clear and (found.seeds, found.windows) == (3, 500)


def test_a_change_of_a_ratio_is_found_exactly():
    b, d = errors(2, 300), errors(2, 300, seed=1)
    found = paired_difference(1.2 * b, b, before=(1.5 * d, d), block=20)
    assert [found.relative, found.low, found.high] == pytest.approx([-0.2, -0.2, -0.2]) and found.clear
    with pytest.raises(UserError, match=r"expected 4 arrays .* found \(2, 300\) .* and \(2, 200\)"):
        paired_difference(b, b, before=(d, d[:, :200]), block=20)


def test_the_same_errors_are_no_difference():
    b = errors(2, 100)
    found = paired_difference(b, b, block=10)
    assert (found.relative, found.low, found.high, found.clear) == (0, 0, 0, False)


def test_pairing_sees_through_noise_that_both_share():
    windows = errors(1, 2000)
    a = np.vstack([windows * 1.02, windows * 1.03])
    b = np.vstack([windows, windows])
    assert paired_difference(a, b, block=100).clear
    assert not paired_difference(a, errors(2, 2000, seed=5), block=100).clear


def test_seeds_that_disagree_leave_the_question_open():
    b = np.ones((2, 300))
    a = np.vstack([np.full(300, 0.8), np.full(300, 1.1)])
    found = paired_difference(a, b, block=10)
    assert found.low == pytest.approx(-0.2) and found.high == pytest.approx(0.1) and not found.clear


def test_the_spread_over_seeds_is_not_made_smaller_by_drawing_them():
    """Of seeds alone the interval is that of a mean: a standard error of s / sqrt(n), s with n - 1 in it."""
    a = np.repeat(np.random.default_rng(3).normal(1, 0.02, size=(12, 1)), 40, axis=1)
    found = paired_difference(a, np.ones_like(a), block=10, draws=20_000)
    error = a[:, 0].std(ddof=1) / 12**0.5
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.03)


def test_one_seed_claims_nothing():
    b = errors(1, 300)
    found = paired_difference(0.5 * b, b, block=10)
    assert found.high < 0 and not found.clear


def test_windows_that_span_few_blocks_are_not_enough():
    b = errors(3, 500)
    for windows, enough in ((500, True), (499, False)):
        found = paired_difference(0.5 * b[:, :windows], b[:, :windows], block=100)
        assert found.high < 0 and found.clear and found.enough is enough


def test_overlapping_windows_need_long_blocks():
    """A slow wave shared by neighbouring windows: single windows claim far more certainty than blocks do."""
    steps = np.arange(1000)
    a = 1 + 0.3 * np.sin(2 * np.pi * steps / 500) + 0.02
    b = np.ones(1000)
    width = {n: paired_difference(np.stack([a, a]), np.stack([b, b]), block=n) for n in (1, 125)}
    assert width[125].high - width[125].low > 5 * (width[1].high - width[1].low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    random, inside = np.random.default_rng(1), 0
    for trial in range(200):
        noise = random.normal(size=(2, 1, 1500))
        smooth = np.stack([np.convolve(n[0], np.ones(20) / 20, mode="valid") for n in noise])[:, None]
        a, b = 5 + smooth
        found = paired_difference(np.vstack([a, a]), np.vstack([b, b]), block=40, draws=300, seed=trial)
        inside += found.low <= 0 <= found.high
    assert 0.85 <= inside / 200 <= 0.99


@given(st.integers(1, 4), st.integers(1, 40), st.integers(1, 60))
def test_block_sums_go_round_the_end(seeds, windows, block):
    values, block = errors(seeds, windows), min(block, windows)
    doubled = np.concatenate([values, values], axis=1)
    wanted = np.stack([doubled[:, i : i + block].sum(1) for i in range(windows)], axis=1)
    np.testing.assert_allclose(_block_sums(values, block), wanted)


@pytest.mark.parametrize(
    ("a", "b", "block", "says"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), 1, "found (2, 3) and (2, 4)"),
        (np.ones(3), np.ones(3), 1, "(seeds, windows)"),
        (np.ones((1, 3)), np.ones((1, 3)), 0, "block = 0"),
        (np.full((1, 3), np.nan), np.ones((1, 3)), 1, "NaN"),
    ],
)
def test_bad_input_is_refused(a, b, block, says):
    with pytest.raises(UserError, match=says.replace("(", r"\(").replace(")", r"\)")):
        paired_difference(a, b, block=block)
