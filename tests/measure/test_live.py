"""Dead parameters are found by gradient, as the reference's metadata has them."""

import copy

import pytest
import torch
from torch import nn

from tests.models import golden
from tests.models.small import example, small_model
from tests.models.test_golden import build, inputs
from tsprune.errors import UserError
from tsprune.measure import count_parameters, live_parameters
from tsprune.models import list_models
from tsprune.models.reference import from_reference
from tsprune.pruners import apply_masks, magnitude_masks

CASES = [case for case in golden.model_cases() if case["model"] in list_models()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"].removesuffix(".safetensors"))
def test_dead_tensors_are_those_of_the_reference(case):
    model, tensors, meta = build(case)
    report = live_parameters(model, inputs(tensors, torch.float32), draws=1)
    zero = {*meta["parameters_with_no_gradient"], *meta["parameters_with_zero_gradient"]}
    unmoved = set(meta["parameters_without_effect_on_eval_output"])
    if case["model"] == "Informer":  # a change, not a small one, of a key bias makes other queries win
        unmoved |= {name for name in zero if name.endswith("key_projection.bias")}
    for dead, live in ((zero, report.in_training), (unmoved, report.in_evaluation)):
        flags = {
            name: torch.full_like(weight, name not in dead) for name, weight in golden.part(tensors, "weight").items()
        }
        expected = from_reference(model, flags).ours
        for name, mask in live.items():
            assert bool(mask.any()) == bool(expected[name].any()), name


@pytest.mark.parametrize("name", list_models(trainable=True))
def test_totals_and_an_unchanged_model(name):
    model = small_model(name, dropout=0.1)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    report = live_parameters(model, example(model))
    assert 0.5 * count_parameters(model) < report.live <= count_parameters(model)
    assert model.training and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_tiny_gradients_are_not_taken_for_zero():
    """FEDformer's weights in the frequency domain start at 1 / d_model^2 and the result is divided by it again."""
    model = small_model("FEDformer", d_model=128, n_heads=2)
    report = live_parameters(model, example(model), draws=1)
    assert report.in_evaluation["decoder.layers.0.cross_attention.query.weight"].float().mean() > 0.99


class Toy(nn.Module):
    """Two units, the second never read; a tied layer; an unused layer."""

    def __init__(self):
        super().__init__()
        self.up = nn.Linear(3, 2)
        self.down = nn.Linear(2, 3, bias=False)
        self.again = nn.Linear(3, 2)
        self.again.weight = self.up.weight
        self.unused = nn.Linear(3, 4)
        with torch.no_grad():
            self.down.weight[:, 1] = 0

    def forward(self, x):
        return self.down(self.up(x)) + self.down(self.again(x))


def test_elements_by_hand():
    model = Toy()
    report = live_parameters(model, (torch.randn(5, 3),))
    assert report.masks["up.weight"].tolist() == [[True] * 3, [False] * 3]
    assert report.masks["up.bias"].tolist() == report.masks["again.bias"].tolist() == [True, False]
    assert report.masks["down.weight"].all()  # zero, but a change of it is seen
    assert "again.weight" not in report.masks
    assert report.live == 3 + 1 + 6 + 1


def test_a_mask_kills_what_only_it_let_through():
    model = Toy()
    with torch.no_grad():
        model.down.weight[:, 1] = 1
    inputs = (torch.randn(5, 3),)
    mask = torch.tensor([[True, False]] * 3)
    assert live_parameters(model, inputs).masks["up.weight"].all()
    report = live_parameters(model, inputs, masks={"down.weight": mask})
    assert torch.equal(report.masks["down.weight"], mask)
    assert not report.masks["up.weight"][1].any() and not report.masks["up.bias"][1]
    assert model.down.weight[:, 1].eq(1).all()


def test_a_mask_of_a_frozen_parameter_is_applied_and_not_asked_about():
    model = Toy()
    model.down.weight.requires_grad_(False)
    with torch.no_grad():
        model.down.weight[:] = 1
    mask = torch.tensor([[True, False]] * 3)
    report = live_parameters(model, (torch.randn(5, 3),), masks={"down.weight": mask})
    assert "down.weight" not in report.masks and not report.masks["up.weight"][1].any()


def test_a_forecast_that_learns_nothing_has_no_live_parameter():
    model = small_model("RepeatLast")
    assert live_parameters(model, example(model)).live == 0


def test_live_weights_lie_inside_the_masks():
    model = small_model("Transformer", d_model=16)
    masks = magnitude_masks(model, 0.1, "layer")
    live = live_parameters(model, example(model), masks=masks).masks
    assert all(not (live[name] & ~mask).any() for name, mask in masks.items())
    assert 0 < sum(int(live[name].sum()) for name in masks) <= sum(int(mask.sum()) for mask in masks.values())


@pytest.mark.parametrize("density", [1.0, 0.1])
@pytest.mark.parametrize("name", [name for name in list_models(trainable=True) if name != "Informer"])
def test_dead_parameters_may_change_and_live_ones_may_not(name, density):
    """A little, and all dead ones together, within the masks. (Informer: a dead key bias decides which queries win.)"""
    torch.manual_seed(0)
    model = small_model(name, d_model=16).double().eval()
    inputs = example(model, dtype=torch.float64)
    masks = magnitude_masks(model, density, "global")
    live = live_parameters(model, inputs, draws=1, masks=masks).in_evaluation
    apply_masks(model, masks)

    def moved(choose):
        changed = copy.deepcopy(model)
        with torch.no_grad():
            for key, p in changed.named_parameters():
                p += 1e-6 * torch.randn_like(p) * choose(live[key]) * masks.get(key, torch.ones_like(live[key]))
            return float((changed(*inputs) - model(*inputs)).abs().max())

    assert moved(lambda live: ~live) < 1e-12
    assert moved(lambda live: live) > 1e-7


def test_bad_input():
    model = Toy()
    with pytest.raises(UserError, match=r"up\.weigth.*up\.weight"):
        live_parameters(model, (torch.randn(5, 3),), masks={"up.weigth": torch.ones(2, 3, dtype=torch.bool)})
    with pytest.raises(UserError, match="not finite"):
        live_parameters(model, (torch.full((5, 3), float("nan")),))
