"""Intervals are as wide as errors were, by hand, and cover what they say where rows are alike."""

import numpy as np
import pytest

from tsprune.data.intervals import LEVELS, Intervals, conformal
from tsprune.errors import UserError


def test_widths_are_those_by_hand():
    """One step, two columns; the second's errors are ten times the first's, so that their multiples are the same."""
    first = np.array([-1.0, 2.0, -3.0, 4.0])
    errors = np.stack([first, 10 * first], axis=1)[:, None]
    found = conformal(errors, np.array([[[0.0, 25.0]], [[-3.5, 41.0]]]))
    # Of four errors 1 2 3 4: of 0.5 the third, of 0.8 the fourth, of 0.95 the fifth of four.
    np.testing.assert_allclose(found.columns, [[3, 30], [4, 40], [4, 40], [4, 40]])
    # Of eight multiples, 1 1 2 2 3 3 4 4 by that one: of 0.5 the fifth, of 0.8 the eighth, of 0.95 the ninth of eight.
    np.testing.assert_allclose(found.steps, [[1]] * 4)
    np.testing.assert_allclose(found.half_widths(0.5), [[3, 30]])
    assert found.shape == (1, 2)
    assert found.coverage == (0.5, 0.75, 0.75, 0.75) and found.covered(0.8) == 0.75 and found.windows == 4


def test_a_column_without_errors_has_intervals_without_width_and_no_part_in_those_of_others():
    errors = np.linspace(-1, 1, 50)[:, None, None]
    beside = np.concatenate([np.zeros_like(errors), errors], axis=2)
    alone, found = conformal(errors, errors), conformal(beside, beside)
    assert (found.half_widths(0.9)[0] == [0, alone.half_widths(0.9)[0, 0]]).all()
    assert found.coverage == alone.coverage
    late = np.concatenate([np.ones_like(errors), errors], axis=2)  # a constant that is none any more
    np.testing.assert_allclose(conformal(beside, late).coverage, np.array(alone.coverage) / 2)
    assert conformal(errors * 0, errors * 0).coverage == (1.0,) * len(LEVELS)


def test_rows_that_are_alike_are_covered_as_often_as_is_said():
    draws = np.random.default_rng(1).standard_normal((2, 500, 4, 3)) * [1.0, 5.0, 0.1] * np.arange(1, 5)[:, None]
    found = conformal(*draws)
    np.testing.assert_allclose(found.coverage, LEVELS, atol=0.02)
    widths = np.array([found.half_widths(level) for level in LEVELS])
    assert (np.diff(widths, axis=0) > 0).all() and (np.diff(widths, axis=1) > 0).all()


def test_a_spike_or_another_distribution_in_one_column_leaves_the_coverage_of_others():
    errors, later = np.random.default_rng(1).standard_normal((2, 500, 4, 3))
    errors[::100, :, 0] *= 300
    errors[..., 1], later[..., 1] = errors[..., 1] ** 7, later[..., 1] ** 7
    found = conformal(errors, later)
    for level in LEVELS:
        held = np.abs(later) <= found.half_widths(level)
        np.testing.assert_allclose(held.mean((0, 1)), level, atol=0.04)


def test_an_interval_holds_those_of_lower_levels_whatever_the_errors_are():
    random = np.random.default_rng(0)
    for _ in range(100):
        windows, pred_len, columns = (random.integers(low, high) for low, high in ((3, 200), (1, 8), (1, 6)))
        errors = random.standard_normal((windows, pred_len, columns)) ** random.choice([1, 3, 7], size=columns)
        found = conformal(errors, errors)
        assert (np.diff([found.half_widths(level) for level in LEVELS], axis=0) >= 0).all()
        assert found.coverage == tuple(sorted(found.coverage))


def test_intervals_of_earlier_files_with_one_width_per_column_are_read():
    old = {"levels": [0.5, 0.9], "steps": [[1.0, 2.0], [3.0, 4.0]], "columns": [1.0, 5.0]}
    found = Intervals.parse(old | {"coverage": [0.5, 0.9], "windows": 9})
    np.testing.assert_allclose(found.half_widths(0.9), [[3, 15], [4, 20]])


def test_a_level_that_is_not_there_is_told():
    with pytest.raises(UserError, match=r"unknown level of intervals '0.99'.* Allowed: 0.5, 0.8, 0.9, 0.95"):
        conformal(np.ones((2, 1, 1)), np.ones((2, 1, 1))).half_widths(0.99)


@pytest.mark.parametrize(
    ("change", "say"),
    [
        ({"levels": [0.9, 0.5, 0.8, 0.95]}, "ascend"),
        ({"levels": [], "steps": [], "coverage": []}, "ascend"),
        ({"steps": [[1.0], [1.0], [1.0], []]}, "belong together"),
        ({"columns": [[1.0], [1.0], [1.0], [1.0, 1.0]]}, "belong together"),
        ({"columns": [-1.0]}, "never below 0"),
        ({"columns": 5}, "columns"),
        ({"columns": [1.0], "levels": 5}, "levels"),
        ({"coverage": [0.5, 0.8, 0.9, 1.1]}, "a share"),
    ],
)
def test_intervals_that_cannot_be_are_refused(change, say):
    good = conformal(np.ones((2, 1, 1)), np.ones((2, 1, 1))).model_dump(mode="json")
    assert Intervals.parse(good).model_dump(mode="json") == good
    with pytest.raises(UserError, match=say):
        Intervals.parse(good | change)
