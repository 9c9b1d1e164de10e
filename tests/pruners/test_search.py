"""The search for widths: by hand where it is small, by its promise where it is not."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.small import example, small_model
from tsprune.layers.axes import Axis, outputs
from tsprune.pruners.cost import Cost, cost_of
from tsprune.pruners.importance import axis_scores
from tsprune.pruners.search import finest, ladder_of, on_rungs, removal_order, rung_above, rung_scores, solve


@pytest.mark.parametrize("scope", ["global", "local", "isomorphic"])
def test_multiples_of_one_are_the_widths_themselves(scope):
    """Rungs are then widths: the search must not see a difference."""
    model = small_model("Transformer")
    axes = [axis for axis in model.axes() if axis.kind != "n_heads"]
    scores, widths = axis_scores(model, axes), [axis.width for axis in axes]
    ladders = [ladder_of(axis, 1) for axis in axes]
    assert ladders == [[*range(1, width + 1)] for width in widths]
    assert [rung_above(ladder, 3) for ladder in ladders] == [3] * len(axes)
    kinds, lowest = [axis.kind for axis in axes], [1] * len(axes)
    order = removal_order(kinds, scores, lowest, scope)
    assert np.array_equal(order, removal_order(kinds, list(map(rung_scores, scores, ladders)), lowest, scope))
    cost = cost_of(model, [axis.name for axis in axes], example(model, 2), "parameters")
    assert solve(cost, order, widths, lowest, 0.3) == solve(on_rungs(cost, ladders), order, widths, lowest, 0.3)


def axis_of(width, groups=1, outer=1, inner=1):
    layer = torch.nn.Linear(3, width * groups * outer * inner)
    return Axis("some.width", outputs(layer, outer, inner), groups)


@pytest.mark.parametrize(
    ("axis", "multiple", "ladder"),
    [
        (axis_of(24), 8, [8, 16, 24]),
        (axis_of(20), 8, [8, 16, 20]),  # a width that is no multiple stays, or becomes one
        (axis_of(8), 8, [8]),
        (axis_of(5), 8, [1, 2, 3, 4, 5]),  # too narrow for any
        (axis_of(24, groups=8), 8, [8, 16, 24]),
        (axis_of(8, groups=8), 8, [1, 2, 3, 4, 5, 6, 7, 8]),  # 8 heads: 8 to 64 features
        (axis_of(8, groups=8), 16, [2, 4, 6, 8]),
        (axis_of(8, outer=4), 16, [4, 8]),
        (axis_of(4, inner=6), 8, [4]),  # whole heads of 6 features: 4 are 24, fewer no multiple of 8
        (axis_of(8, inner=6), 8, [4, 8]),
        (axis_of(3, inner=64), 8, [1, 2, 3]),
    ],
)
def test_ladders_by_hand(axis, multiple, ladder):
    assert ladder_of(axis, multiple) == ladder


def test_rungs_by_hand():
    scores = torch.tensor([[4.0, 1.0, 3.0, 2.0, 9.0]])
    assert rung_scores(scores, [2, 4, 5]).tolist() == [[1.0, 2.5, 6.5]]  # 1; 2 and 3; 4 and 9
    assert [rung_above([8, 16, 20], width) for width in (1, 8, 9, 17, 20)] == [1, 1, 2, 3, 3]
    cost = on_rungs(Cost([10, 1], [[1, 0], [0, 1]], 2), [[1, 2, 3], [4, 8]])
    assert cost([3, 2]) == 38 and cost(np.array([1, 1])) == 14


def test_the_next_unit_is_one_to_go_or_one_to_come_back():
    cost = Cost([10, 1], [[1, 0], [0, 1]], 2)
    names, ladders = ["wide", "fine"], [[1, 2, 3], [*range(1, 11)]]
    assert "width 7 of 'fine', is 2.5% of all" in finest(cost, ladders, [2, 7], [1, 1], names)
    assert "width 2 of 'wide', is 25.0% of all" in finest(cost, ladders, [2, 1], [1, 1], names)
    # The lowest widths, and less is left than was asked for: what could come back is named.
    assert "width 1 of 'wide', is 25.0% of all" in finest(cost, ladders, [1, 10], [3, 10], names)
    # In fours, the last step a rest of two: 40 in all.
    ladders = [[1, 2, 3], [4, 8, 10]]
    said = finest(on_rungs(cost, ladders), ladders, [1, 3], [1, 1], names)
    assert said == "the next 2 units worth least, of the width 10 of 'fine', are 5.0% of all"


SCORES = [torch.tensor([[4.0, 1.0, 3.0, 2.0]]), torch.tensor([[0.5, 9.0], [1.9, 0.7]])]


@pytest.mark.parametrize(
    ("scope", "order"),
    [
        ("global", [1, 0, 0, 0]),  # group means of axis 1: (0.5 + 0.7) / 2 = 0.6, then 5.45; axis 0: 1, 2, 3
        ("local", [0, 0, 1, 0]),  # after a quarter, a half, a half (ties by axis), three quarters
        ("isomorphic", [0, 0, 1, 0]),
    ],
)
def test_order_by_hand(scope, order):
    assert removal_order(["a", "b"], SCORES, [1, 1], scope).tolist() == order


def test_isomorphic_ranks_within_a_kind():
    assert removal_order(["a", "a"], SCORES, [1, 1], "isomorphic").tolist() == [1, 0, 0, 0]


def test_solver_by_hand():
    cost = Cost([10, 1], [[1, 0], [0, 1]], 2)  # 10 a + b
    order = np.array([0, 0, 1, 1, 1, 1])
    assert solve(cost, order, [3, 10], [1, 1], 1.0) == [3, 10]
    # 40 in all, 28 wanted: one unit of the first leaves 30, another would leave 20, two of the second fit.
    assert solve(cost, order, [3, 10], [1, 1], 0.7) == [2, 8]
    # 25 wanted: 30 less all four that may go leaves 26, and one more of the second is closer than one of the first.
    assert solve(cost, order, [3, 10], [1, 1], 0.625) == [2, 5]
    assert solve(cost, order, [3, 10], [1, 6], 0.01) == [1, 6]


@settings(max_examples=60, deadline=None)
@given(
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    steps=st.lists(st.integers(1, 4), min_size=4, max_size=4),
    constants=st.lists(st.integers(0, 50), min_size=4, max_size=4),
    target=st.floats(0.01, 1),
    seed=st.integers(0, 10**6),
)
def test_no_single_unit_or_rung_would_come_closer(widths, steps, constants, target, seed):
    n = len(widths)
    powers = [*np.eye(n).tolist(), [1] * n]
    ladders = [[*range(step, width, step), width] for step, width in zip(steps, widths, strict=False)]
    cost = on_rungs(Cost([*constants[:n], 1], powers, n), ladders)
    top = [len(ladder) for ladder in ladders]
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(n), np.array(top) - 1))
    found = solve(cost, order, top, [1] * n, target)
    assert all(1 <= rung <= high for rung, high in zip(found, top, strict=True))
    goal = target * cost(top)
    error = abs(cost(found) - goal)
    for axis in range(n):
        for step in (-1, 1):
            other = [rung + step * (i == axis) for i, rung in enumerate(found)]
            if 1 <= other[axis] <= top[axis]:
                assert error <= abs(cost(other) - goal) + 1e-3 * cost(top) + 1e-9
