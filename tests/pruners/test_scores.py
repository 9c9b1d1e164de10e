"""Every score of the registry, on every forecaster; and small numbers worked by hand."""

import copy
from typing import get_args

import pytest
import torch
from torch import nn

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.models import list_models
from tsprune.pruners import Selection, list_scores, nm_masks, prunable_weights, score_weights, scores, select
from tsprune.pruners.scores import Scored, get_score, register


def batches(model, count=2):
    """Random calibration batches that fit ``model``."""
    c = model.config
    targets = torch.Generator().manual_seed(9)
    return [
        (example(model, seed=seed), torch.randn(4, c.pred_len, c.c_out, generator=targets)) for seed in range(count)
    ]


@pytest.mark.parametrize("name", list_scores())
@pytest.mark.parametrize("forecaster", list_models(trainable=True))
def test_every_weight_of_a_forecaster_has_a_score_or_a_reason(name, forecaster):
    torch.manual_seed(0)
    model = small_model(forecaster).train()
    before = copy.deepcopy(model.state_dict())
    scores, left = score_weights(name, model, batches(model), seed=3)
    weights = prunable_weights(model)
    assert scores.keys() | left.keys() == weights.keys() and not scores.keys() & left.keys()
    for key, score in scores.items():
        assert score.shape == weights[key].shape and not score.requires_grad
        assert torch.isfinite(score).all() and (score >= 0).all()
    assert all("\n" not in reason and reason for reason in left.values())
    again = score_weights(name, model, batches(model), seed=3).scores
    assert all(torch.equal(score, again[key]) for key, score in scores.items())
    assert model.training and all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    if not scores:
        assert set(left.values()) == {"no flow reaches it"}, "as where a model takes the level of ones out"
        return
    assert any((score > 0).any() for score in scores.values()), "there is something to rank"
    total = sum(s.numel() for s in scores.values())
    for scope in get_args(Selection):
        masks = select(scores, 0.5, scope)
        assert sum(int(m.sum()) for m in masks.values()) == round(0.5 * total)
    sparse = nm_masks(model, scores=scores)
    for key, mask in sparse.masks.items():
        groups = scores[key].unflatten(1, (-1, 4)), mask.unflatten(1, (-1, 4))
        assert (groups[1].sum(-1) == 2).all()
        assert (groups[0].where(groups[1], torch.inf).amin(-1) >= groups[0].where(~groups[1], 0).amax(-1)).all()


def test_n_of_m_follows_the_score_it_is_given():
    layer = nn.Linear(4, 1, bias=False)
    layer.weight.data = torch.tensor([[4.0, 3.0, 2.0, 1.0]])
    score = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert nm_masks(layer).masks["weight"].tolist() == [[True, True, False, False]]
    assert nm_masks(layer, scores={"weight": score}).masks["weight"].tolist() == [[False, False, True, True]]
    assert nm_masks(layer, scores={}) == ({}, {"weight": "it has no score"})


def test_random_scores_depend_on_the_seed_alone():
    model = nn.Linear(5, 3)
    first, again, other = (score_weights("random", model, seed=seed).scores["weight"] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_score_is_entered_once_and_found_by_name():
    assert get_score("magnitude").needs == "nothing"
    with pytest.raises(UserError, match="did you mean 'magnitude'"):
        score_weights("magnitud", nn.Linear(2, 2))
    with pytest.raises(UserError, match=r"scores.magnitude: two scores are called 'magnitude'"):
        register("magnitude")(get_score("magnitude").compute)


def mine(model, calibration=None, seed=0):
    return Scored({"weight": model.weight.detach().abs()}, {})


def test_what_cannot_be_a_score_is_not_registered():
    with pytest.raises(UserError, match=r"test_scores.mine: register needs a name, as in @register\('mine'\)"):
        register(mine)
    with pytest.raises(UserError, match="score 'mine': unknown needs 'input'; did you mean 'inputs'"):
        register("mine", needs="input")
    assert "mine" not in list_scores()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"weight": torch.ones(2, 3)}, r"gives a dict; expected Scored\(scores, left\)"),
        (Scored({}, {}), "'weight' has neither a score nor a reason why not, in Scored.left"),
        (Scored({"weight": torch.ones(3)}, {}), r"scores of 'weight' have shape \(3,\), the weight has \(2, 3\)"),
    ],
)
def test_an_incomplete_score_is_named(found, said, monkeypatch):
    monkeypatch.setattr(scores, "_registry", dict(scores._registry))
    register("mine")(lambda model, calibration, seed: found)
    with pytest.raises(UserError, match=rf"^score 'mine': {said}$"):
        score_weights("mine", nn.Linear(3, 2))
