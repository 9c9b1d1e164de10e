"""The cost of any widths, found once, is the cost counted on a model of those widths."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.layers import plain_attention
from tsprune.measure import count_macs
from tsprune.models import list_models
from tsprune.pruners.cost import Cost, cost_of, count, counts, factor, primes_above, without_numbers


def free_axes(model):
    return [axis for axis in model.axes() if axis.kind != "n_heads"]


@pytest.mark.parametrize("name", list_models(trainable=True))
@pytest.mark.parametrize("by", ["parameters", "macs"])
def test_cost_is_exact_at_any_widths(name, by):
    torch.manual_seed(0)
    model = small_model(name, d_model=12, n_heads=3).eval()
    inputs = example(model)
    axes = free_axes(model)
    cost = cost_of(model, [axis.name for axis in axes], inputs, by)
    assert cost([axis.width for axis in axes]) == count(model, inputs, by)
    for _ in range(2):
        narrow = copy.deepcopy(model)
        widths = []
        for axis in free_axes(narrow):
            widths.append(int(torch.randint(1, axis.width + 1, ())))
            axis.take(torch.arange(axis.groups * widths[-1]))
        assert cost(widths) == count(narrow, inputs, by)
        if by == "parameters":
            assert cost(widths) == sum(p.numel() for p in narrow.parameters())


@pytest.mark.parametrize("name", sorted(set(list_models(trainable=True)) - {"LSTM"}))
def test_multiply_adds_are_those_of_torch(name):
    model = small_model(name).eval()
    sample = example(model, 1)
    with plain_attention(model), FlopCounterMode(display=False) as counter:
        model(*sample)
    assert 2 * count(model, example(model, 5), "macs") == counter.get_total_flops()


@pytest.mark.parametrize("name", list_models(trainable=True))
def test_multiply_adds_are_those_that_are_reported(name):
    model = small_model(name).eval()
    report = count_macs(model, example(model, 1))
    assert not report.unsupported
    assert count(model, example(model, 1), "macs") == report.macs_executed


def test_recurrent_layers_are_counted_step_by_step():
    model = small_model("LSTM", d_model=8).eval()
    steps, gates = 24, 4 * 8
    layers = steps * gates * (7 + 8) + steps * gates * (8 + 8)
    assert count(model, example(model), "macs") == layers + 8 * 18 * 3


class Turned(nn.Module):
    """Turns a tensor in place twice, between products."""

    def __init__(self):
        super().__init__()
        self.across, self.along = nn.Linear(3, 5), nn.Linear(4, 7)

    def forward(self, x):
        for _ in range(2):
            x = self.across(x).clone()
            x = self.along(x.transpose_(1, 2))[..., :4].clone().transpose_(1, 2)[..., :3].clone()
        return x


def test_an_operator_that_changes_the_shape_of_its_tensor_runs_each_time():
    model = Turned()
    assert count(model, [torch.zeros(1, 4, 3)], "macs") == 2 * (4 * 3 * 5 + 5 * 4 * 7)
    assert counts(without_numbers(model), [torch.zeros(1, 4, 3)], "macs")[1] == model(torch.zeros(1, 4, 3)).shape


def test_hand_checked():
    assert factor(2 * 7 * 7 * 11, [7, 11, 13]) == (2, 2, 1, 0)
    assert list(primes_above(10, 3)) == [11, 13, 17]
    cost = Cost([3, 2], [[1, 1], [0, 2]], 2)  # 3 a b + 2 b^2
    assert cost([5, 4]) == 3 * 20 + 2 * 16


def test_nothing_is_drawn_and_the_model_stays():
    model = small_model("Informer")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    cost_of(model, [axis.name for axis in free_axes(model)], example(model), "macs")
    assert torch.equal(state, torch.get_rng_state()) and model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_unknown_measure():
    with pytest.raises(UserError, match="unknown measure 'mac'; did you mean 'macs'"):
        cost_of(small_model("Transformer"), [], [], "mac")
