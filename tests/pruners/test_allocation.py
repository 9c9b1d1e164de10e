"""Counts per tensor: exact in sum, in proportion, nested, and small numbers worked by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.small import small_model
from tsprune.models import list_models
from tsprune.pruners import density, magnitude_masks, select
from tsprune.pruners.allocation import apportion, by_shape, erdos_renyi, lamp, proportional


def test_a_share_is_rounded_so_that_the_sum_is_exact():
    assert apportion(10, [1, 1, 1], [9, 9, 9]) == [4, 3, 3]
    # Quotas 2.5, 2.5 and 5: the first half goes up.
    assert apportion(10, [5, 5, 10], [9, 9, 9]) == [3, 2, 5]
    # A tenth of five tensors of 15: 1.5 each, 7 in all, where rounding each for itself would keep 10.
    assert apportion(7, [15] * 5, [15] * 5) == [2, 2, 1, 1, 1]


def test_every_tensor_keeps_one_and_none_more_than_it_has():
    assert apportion(5, [1, 1000], [10, 1000]) == [1, 4]
    assert apportion(0, [1, 1000], [10, 1000]) == [1, 1]
    assert apportion(9, [10, 1], [3, 20]) == [3, 6]
    assert apportion(99, [10, 1], [3, 20]) == [3, 20]


def test_erdos_renyi_goes_by_the_sum_of_the_dimensions_and_hands_on_what_does_not_fit():
    # Sums of dimensions 4 and 16, sizes 4 and 64.
    assert by_shape([(2, 2), (8, 8)], 10, "erk") == [2, 8]
    assert by_shape([(2, 2), (8, 8)], 30, "erk") == [4, 26]
    assert by_shape([(2, 2), (8, 8)], 34, "layer") == [2, 32]
    assert by_shape([(2, 2), (8, 8)], 30, "erk", most=[3, 64]) == [3, 27]
    assert proportional(30, [4, 16], [4, 64]) == [4, 26]


def test_one_rounding_per_tensor_adds_up_where_the_sum_is_not_looked_at():
    shapes = [(3, 5)] * 5
    assert sum(erdos_renyi(shapes, 0.1)) == 10
    assert sum(by_shape(shapes, round(0.1 * 75), "erk")) == 8


@st.composite
def shares(draw):
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
    weights = draw(st.lists(st.integers(1, 50), min_size=len(sizes), max_size=len(sizes)))
    return weights, sizes


@settings(deadline=None)
@given(shares(), st.data())
def test_counts_are_exact_in_bounds_and_grow_with_the_sum(given_shares, data):
    weights, sizes = given_shares
    low = data.draw(st.integers(0, sum(sizes)))
    high = data.draw(st.integers(low, sum(sizes)))
    fewer, more = apportion(low, weights, sizes), apportion(high, weights, sizes)
    assert sum(more) == max(high, len(sizes))
    assert all(1 <= a <= b <= size for a, b, size in zip(fewer, more, sizes, strict=True))


def test_lamp_by_hand():
    # Squares 9, 1, 4: 9 / 9, 1 / (1 + 4 + 9), 4 / (4 + 9).
    score = lamp(torch.tensor([[3.0, -1.0, 2.0]]))
    assert score.flatten().tolist() == pytest.approx([1.0, 1 / 14, 4 / 13])
    # Of equals the first is larger: 4 / 4, then 4 / 8; nothing is left of a zero.
    assert lamp(torch.tensor([2.0, 2.0, 0.0])).tolist() == [1.0, 0.5, 0.0]
    assert lamp(torch.zeros(2, 2)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_lamp_does_not_ask_how_large_a_tensors_weights_are():
    torch.manual_seed(0)
    scores = {"a": torch.rand(6, 5), "b": torch.rand(4, 8)}
    scaled = {"a": scores["a"] * 1000, "b": scores["b"]}
    one, other = select(scores, 0.3, "lamp"), select(scaled, 0.3, "lamp")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert select(scaled, 0.3, "global")["b"].sum() == 1


@pytest.mark.parametrize("scope", ["layer", "global", "erk", "lamp"])
@pytest.mark.parametrize("name", list_models(trainable=True))
def test_a_tenth_of_a_forecaster_is_a_tenth(name, scope):
    torch.manual_seed(0)
    model = small_model(name)
    achieved = density(model, magnitude_masks(model, 0.1, scope))
    assert achieved.kept == max(round(0.1 * achieved.prunable), sum(p.dim() >= 2 for p in model.parameters()))


def test_the_uniform_allocation_is_off_by_less_than_a_weight_here():
    sizes = [96 * 512, 512 * 512, 7 * 512, 2048 * 512]
    counts = by_shape([(n,) for n in sizes], round(0.107 * sum(sizes)), "layer")
    assert all(abs(k - 0.107 * n) < 1 for k, n in zip(counts, sizes, strict=True))
    assert sum(counts) == round(0.107 * math.fsum(sizes))
