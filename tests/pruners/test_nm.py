"""N:M masks: exact in every group, ties by index, and a reason for every layer that cannot take the pattern."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.models.small import small_model
from tsprune.errors import UserError
from tsprune.models import list_models
from tsprune.pruners import density, nm_masks, prunable_weights


def linear(rows):
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    layer.weight.data = torch.tensor(rows)
    return layer


def test_hand_checked():
    layer = linear([[0.1, -4.0, 3.0, 0.2, 5.0, 1.0, -2.0, 0.0], [1.0, 1.0, 1.0, 1.0, 0.0, 2.0, -2.0, 2.0]])
    masks, left = nm_masks(layer)
    assert masks["weight"].long().tolist() == [[0, 1, 1, 0, 1, 0, 1, 0], [1, 1, 0, 0, 0, 1, 1, 0]]
    assert left == {}
    assert nm_masks(layer, 1, 4).masks["weight"].long().tolist() == [[0, 1, 0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 1, 0, 0]]
    assert nm_masks(layer, 1, 2).masks["weight"].long().tolist() == [[0, 1, 1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 0, 1, 1, 0]]


@settings(max_examples=50, deadline=None)
@given(
    pattern=st.sampled_from([(1, 2), (2, 4), (1, 4), (3, 4), (4, 8)]),
    rows=st.integers(1, 4),
    groups=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
def test_exactly_n_of_each_group_and_none_kept_is_smaller(pattern, rows, groups, seed):
    n, m = pattern
    torch.manual_seed(seed)
    layer = linear(torch.randint(-3, 4, (rows, groups * m)).float().tolist())
    mask = nm_masks(layer, n, m).masks["weight"].view(rows, groups, m)
    size = layer.weight.detach().abs().view(rows, groups, m)
    assert (mask.sum(-1) == n).all()
    assert (size.where(mask, torch.inf).amin(-1) >= size.where(~mask, 0).amax(-1)).all()


@pytest.mark.parametrize("name", list_models(trainable=True))
def test_every_weight_of_a_model_is_masked_or_has_a_reason(name):
    model = small_model(name)
    masks, left = nm_masks(model)
    weights = prunable_weights(model)
    assert masks.keys() | left.keys() == weights.keys() and not masks.keys() & left.keys()
    for key, mask in masks.items():
        assert mask.shape == weights[key].shape and mask.sum(1).eq(mask.shape[1] // 2).all()
    for key, reason in left.items():
        assert weights[key].dim() != 2 or "LSTM" in reason or f"{weights[key].shape[1]} inputs" in reason
    assert density(model, masks).kept == density(model, {}).kept - sum(m.numel() // 2 for m in masks.values())


@pytest.mark.parametrize("pattern", [(0, 4), (4, 4), (5, 4)])
def test_patterns_that_make_no_sense(pattern):
    with pytest.raises(UserError, match="allowed is 0 < n < m"):
        nm_masks(nn.Linear(4, 4), *pattern)


def test_weights_that_are_not_finite():
    layer = nn.Linear(4, 4)
    layer.weight.data[0, 0] = torch.nan
    with pytest.raises(UserError, match="'weight' hold NaN"):
        nm_masks(layer)
