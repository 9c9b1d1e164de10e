"""Parameters, counted."""

from torch import nn

from tsprune.measure import count_parameters


def test_parameters_count_tied_tensors_once():
    model = nn.ModuleList([nn.Linear(3, 5), nn.Linear(3, 5, bias=False)])
    assert count_parameters(model) == 15 + 5 + 15
    model[1].weight = model[0].weight
    assert count_parameters(model) == 20
