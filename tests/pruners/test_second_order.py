"""Second order: one weight worked by hand, exact counts, and outputs closer to the dense layer's than by magnitude."""

import copy

import pytest
import torch
from torch import nn

from tests.models.small import small_model
from tests.pruners.test_scores import batches
from tsprune.errors import UserError
from tsprune.models import list_models
from tsprune.pruners import apply_masks, magnitude_masks, nm_masks, prunable_weights, score_weights, second_order_prune
from tsprune.pruners import second_order as module
from tsprune.pruners.second_order import surgery


def test_one_weight_goes_and_the_other_makes_up_for_it():
    """H = [[2, 1], [1, 2]], so H^-1 = [[2, -1], [-1, 2]] / 3. Without w1 = 1 the best w2 is 4 + 1 * 1/2."""
    hessian = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    values, mask = surgery(torch.tensor([[1.0, 4.0]]), hessian, 1, None, damping=0.0, block=128)
    assert mask.tolist() == [[False, True]]
    torch.testing.assert_close(values, torch.tensor([[0.0, 4.5]]))


def test_what_is_to_the_left_is_done_and_makes_up_for_nothing():
    hessian = torch.tensor([[2.0, 1.0], [1.0, 2.0]])
    values, mask = surgery(torch.tensor([[4.0, 1.0]]), hessian, 1, None, damping=0.0, block=128)
    assert mask.tolist() == [[True, False]]
    torch.testing.assert_close(values, torch.tensor([[4.0, 0.0]]))


def test_the_score_of_one_weight_by_hand():
    """Positions (1, 1), (1, 1), (1, -1): mean of x x^T [[1, 1/3], [1/3, 1]], of its inverse the diagonal 9/8."""
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data = torch.tensor([[3.0, -6.0]])
    x = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    score = score_weights("obs", layer, [((x,), None)]).scores["weight"]
    torch.testing.assert_close(score, torch.tensor([[9 * 8 / 9, 36 * 8 / 9]]), rtol=0.02, atol=0)  # damping is 1 %


@pytest.mark.parametrize("block", [3, 8, 128])
@pytest.mark.parametrize("pattern", [None, (2, 4)])
def test_the_outputs_of_a_layer_stay_closer_than_by_magnitude(block, pattern, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    torch.manual_seed(0)
    layer = nn.Linear(16, 12)
    x = torch.randn(200, 16) @ torch.randn(16, 16)  # correlated inputs
    found = second_order_prune(layer, [((x,), None)], 0.5, pattern=pattern)
    assert int(found.masks["weight"].sum()) == 96 and found.left == {}
    assert (found.model.weight[~found.masks["weight"]] == 0).all()
    plain = copy.deepcopy(layer)
    apply_masks(plain, magnitude_masks(layer, 0.5, "layer") if pattern is None else nm_masks(layer).masks)
    ours, theirs = ((m(x) - layer(x)).square().mean() for m in (found.model, plain))
    assert ours < 0.9 * theirs
    if pattern:
        assert (found.masks["weight"].unflatten(1, (-1, 4)).sum(-1) == 2).all()


@pytest.mark.parametrize("pattern", [None, (2, 4)])
@pytest.mark.parametrize("name", list_models(trainable=True))
def test_every_forecaster_is_pruned_or_says_why_not(name, pattern):
    torch.manual_seed(0)
    model = small_model(name).train()
    before = copy.deepcopy(model.state_dict())
    found = second_order_prune(model, batches(model), 0.4, pattern=pattern)
    weights = prunable_weights(found.model)
    assert found.masks.keys() | found.left.keys() == weights.keys() and not found.masks.keys() & found.left.keys()
    assert found.masks and all(torch.isfinite(w).all() for w in weights.values())
    for key, mask in found.masks.items():
        assert (weights[key][~mask] == 0).all()
    if pattern is None:
        total = sum(m.numel() for m in found.masks.values())
        assert sum(int(m.sum()) for m in found.masks.values()) == round(0.4 * total)
        assert all("Linear, Conv1d or LSTM" in why for why in found.left.values())
    else:
        assert found.masks.keys() == nm_masks(model).masks.keys()
    assert model.training and all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    for key in found.left:
        assert torch.equal(weights[key], before[key])


def test_an_input_that_is_always_zero_loses_its_weights_first():
    torch.manual_seed(0)
    layer = nn.Linear(4, 3)
    x = torch.randn(20, 4)
    x[:, 2] = 0
    found = second_order_prune(layer, [((x,), None)], 0.75)
    assert not found.masks["weight"][:, 2].any() and int(found.masks["weight"].sum()) == 9


def test_a_layer_that_is_too_wide_is_left_and_said_so(monkeypatch):
    monkeypatch.setattr(module, "WIDEST", 3)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    found = second_order_prune(model, [((torch.randn(9, 4),), None)])
    assert found.left == {"0.weight": "its 4 inputs are more than 3"} and list(found.masks) == ["1.weight"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda layer, b: second_order_prune(layer, b, 0.0), "density = 0.0"),
        (lambda layer, b: second_order_prune(layer, b, pattern=(4, 4)), "n:m = 4:4"),
        (lambda layer, b: second_order_prune(layer, []), "calibration has no batch"),
    ],
)
def test_bad_input_is_one_clear_line(call, says):
    with pytest.raises(UserError, match=says) as error:
        call(nn.Linear(4, 2), [((torch.ones(1, 4),), None)])
    assert "\n" not in str(error.value)
