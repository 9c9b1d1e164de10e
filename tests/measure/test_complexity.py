"""Parameters counted in four ways, and the size of a file."""

from dataclasses import asdict

import pytest
import torch
from torch import nn

from tests.models.small import example, small_model
from tsprune.measure import checkpoint_size, count_parameters, live_parameters, parameter_report
from tsprune.models import list_models, save_checkpoint
from tsprune.pruners import density, magnitude_masks, pruned


def test_parameters_count_tied_tensors_once():
    model = nn.ModuleList([nn.Linear(3, 5), nn.Linear(3, 5, bias=False)])
    assert count_parameters(model) == 15 + 5 + 15
    model[1].weight = model[0].weight
    assert count_parameters(model) == 20


def test_report_by_hand():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    with torch.no_grad():
        model[1].bias.zero_()
    inputs = (torch.randn(4, 3),)
    assert asdict(parameter_report(model, inputs)) == {
        "parameters": 11,
        "parameters_prunable": 8,
        "parameters_nonzero": 10,
        "parameters_live": 11,
        "parameters_live_prunable": 8,
    }
    # The second unit is cut off: what leads to it is dead, what is inside the mask is not zero.
    report = parameter_report(model, inputs, {"1.weight": torch.tensor([[True, False]])})
    assert (report.parameters, report.parameters_prunable, report.parameters_nonzero) == (11, 8, 9)
    assert (report.parameters_live, report.parameters_live_prunable) == (3 + 1 + 1 + 1, 3 + 1)


@pytest.mark.parametrize("name", list_models(trainable=True))
def test_report_agrees_with_the_pruner(name):
    model = small_model(name)
    masks = magnitude_masks(model, 0.3, "layer")
    report, achieved = parameter_report(model, example(model), masks, draws=1), density(model, masks)
    assert report.parameters == achieved.parameters and report.parameters_prunable == achieved.prunable
    with pruned(model, masks):
        assert report.parameters_nonzero == sum(int(p.count_nonzero()) for p in model.parameters())
    dense = live_parameters(model, example(model), draws=1)
    assert report.parameters_live_prunable <= min(achieved.kept, report.parameters_live, dense.live)


def test_size_on_disk(tmp_path):
    model = small_model("Transformer")
    save_checkpoint(tmp_path / "dense", model)
    size = checkpoint_size(model)
    assert size == (tmp_path / "dense").stat().st_size
    assert 4 * count_parameters(model) < size < 4 * count_parameters(model) + 20_000
    assert checkpoint_size(small_model("Transformer", d_ff=24)) > size
    assert checkpoint_size(model, magnitude_masks(model, 0.5, "layer")) > size
