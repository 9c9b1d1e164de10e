"""Exactly k, ties by index, nothing outside what may be chosen."""

from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from tsprune.pruners import ranking
from tsprune.pruners.ranking import largest, largest_anywhere


class Operators(TorchDispatchMode):
    """Notes the operators that run."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, operator, types, arguments=(), options=None):
        self.names.add(operator.overloadpacket.__name__)
        return operator(*arguments, **(options or {}))


values = st.lists(st.sampled_from([0.0, 1e-30, 0.25, 0.5, 0.75, 1.0, 3.5, 1e20]), min_size=1, max_size=40)


def plainly(scores, count, among):
    order = sorted((i for i in range(len(scores)) if among[i]), key=lambda i: (-scores[i], i))
    return sorted(order[:count])


@pytest.mark.parametrize("small", [0, ranking._SMALL])
@settings(max_examples=40, deadline=None)
@given(values, st.data())
def test_the_largest_are_those_a_sort_finds(small, scores, data):
    among = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    count = data.draw(st.integers(0, sum(among)))
    with patch.object(ranking, "_SMALL", small):
        (found,) = largest([torch.tensor(scores)], [count], [torch.tensor(among)])
    assert found.nonzero().flatten().tolist() == plainly(scores, count, among)


def test_several_tensors_of_any_shape_and_precision():
    scores = [torch.rand(3, 4, 5, dtype=torch.float64), torch.rand(7).bfloat16(), torch.rand(2, 2)[:, ::2]]
    counts = [13, 7, 0]
    found = largest(scores, counts)
    assert [int(f.sum()) for f in found] == counts
    assert [f.shape for f in found] == [s.shape for s in scores]
    assert scores[0][found[0]].min() >= scores[0][~found[0]].max()


@pytest.mark.parametrize("count", [1, 65536, 99_999])
def test_many_values_close_to_each_other(count):
    scores = 1 + torch.rand(100_000, generator=torch.Generator().manual_seed(0)) * 1e-5
    (found,) = largest([scores], [count])
    assert int(found.sum()) == count
    assert scores[found].min() >= scores[~found].max()


@settings(max_examples=80, deadline=None)
@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_where_python_would_wait_the_same_are_found_without_a_size_that_depends_on_numbers(lists, data):
    scores = [torch.tensor(s) * data.draw(st.sampled_from([1, -1])) for s in lists]
    among = [torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(s), max_size=len(s)))) for s in scores]
    counts = [data.draw(st.integers(0, int(mask.sum()))) for mask in among]
    each = data.draw(st.integers(len(scores), sum(s.numel() for s in scores)))

    def found():
        anywhere = largest_anywhere(scores, sum(counts), among)
        return [*largest(scores, counts, among), *anywhere, *largest_anywhere(scores, each, one_each=True)]

    expected = found()
    with patch.object(ranking, "_waits", lambda score: True), Operators() as seen:
        masks = found()
    assert all(torch.equal(mask, other) for mask, other in zip(masks, expected, strict=True))
    assert not seen.names & {"nonzero", "_local_scalar_dense", "bincount", "masked_select", "index", "unique"}


@settings(max_examples=60, deadline=None)
@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_over_several_tensors_they_are_those_of_all_in_one(lists, data):
    scores = [torch.tensor(s) * data.draw(st.sampled_from([1, -1])) for s in lists]
    together = torch.cat(scores)
    among = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(together), max_size=len(together))))
    count = data.draw(st.integers(0, int(among.sum())))
    parts = among.split([len(s) for s in scores])
    found = torch.cat(largest_anywhere(scores, count, parts))
    assert torch.equal(found, largest([together], [count], [among])[0])
    enough = data.draw(st.integers(len(scores), len(together)))
    each = largest_anywhere(scores, enough, one_each=True)
    assert sum(int(f.sum()) for f in each) == enough
    assert all(f[s.abs().argmax()] for f, s in zip(each, scores, strict=True))
