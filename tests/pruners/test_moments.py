"""What optimisers remember of a weight: every moment that torch keeps, and one that is not known."""

import pytest
import torch
from torch import nn

from tsprune.errors import UserError
from tsprune.pruners.moments import MOMENTS, reset_moments

OPTIMIZERS = {
    "Adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "Adam with amsgrad": lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True),
    "AdamW, fused": lambda p: torch.optim.AdamW(p, lr=0.1, fused=True),
    "Adamax": lambda p: torch.optim.Adamax(p, lr=0.1),
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "SGD with momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "RMSprop, centred": lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.9, centered=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
    "Adadelta": lambda p: torch.optim.Adadelta(p, lr=0.1),
}


def stepped(make):
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    optimizer = make(layer.parameters())
    for _ in range(2):
        layer(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    return layer, optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_the_moments_of_new_weights_start_anew(name):
    layer, optimizer = stepped(OPTIMIZERS[name])
    new = torch.tensor([[True, False, False], [False, False, True]])
    kept = {k: v.clone() for k, v in optimizer.state[layer.weight].items() if torch.is_tensor(v)}
    reset_moments(optimizer, layer.weight, new)
    shaped = [k for k, v in kept.items() if v.shape == new.shape]
    assert set(shaped) <= MOMENTS and (shaped or name == "SGD")
    for k, before in kept.items():
        after = optimizer.state[layer.weight][k]
        expected = before.masked_fill(new, 0) if k in shaped else before
        assert torch.equal(after, expected) and (k not in shaped or (before[new] != 0).all())


def test_before_the_first_step_there_is_nothing_to_reset():
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    reset_moments(optimizer, layer.weight, torch.ones(2, 3, dtype=torch.bool))
    assert not optimizer.state


def test_a_memory_that_is_not_known_is_refused_in_one_line():
    layer, optimizer = stepped(lambda p: torch.optim.Rprop(p, lr=0.1))
    with pytest.raises(UserError, match=r"Rprop keeps 'prev' for each weight.*exp_avg") as error:
        reset_moments(optimizer, layer.weight, torch.ones(2, 3, dtype=torch.bool))
    assert "\n" not in str(error.value)
