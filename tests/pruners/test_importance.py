"""Scores by hand, and beside torch-pruning's own on the groups of its graph."""

import pytest
import torch
import torch_pruning
from torch import nn

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.layers.axes import Axis, Slot, inputs, outputs
from tsprune.pruners.depgraph import paper_pruner
from tsprune.pruners.importance import axis_scores, calibration_gradients


def pair():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model[0].weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0], [2.0, 2.0]])
    model[1].weight.data = torch.tensor([[4.0, 0.0, -1.0]])
    return model, Axis("hidden", [*outputs(model[0]), *inputs(model[1])])


def test_hand_checked():
    model, axis = pair()
    assert axis_scores(model, [axis], "l1")[0].tolist() == [[(3 + 4) / 2, (3 + 0) / 2, (4 + 1) / 2]]
    torch.testing.assert_close(axis_scores(model, [axis], "l2")[0], torch.tensor([[5 + 16, 9, 8 + 1]]) / 2)
    grouped = axis_scores(model, [axis], "group-l2")[0]
    torch.testing.assert_close(grouped, torch.tensor([[21.0, 9.0, 9.0]]) / 13)


def test_taylor_by_hand():
    model, axis = pair()
    unit = torch.eye(2)
    batches = [((unit[:1],), torch.zeros(1, 1)), ((unit[1:],), torch.ones(1, 1))]
    gradients = calibration_gradients(model, batches)
    weights = [model[0].weight, model[1].weight]
    single = [torch.autograd.grad((model(*x) - y).square().mean(), weights) for x, y in batches]
    expected = [first + second for first, second in zip(*single, strict=True)]
    torch.testing.assert_close(gradients[model[0].weight], expected[0])
    scores = axis_scores(model, [axis], "taylor", batches)[0]
    sums = (model[0].weight * expected[0]).abs().sum(1) + (model[1].weight * expected[1]).abs().sum(0)
    torch.testing.assert_close(scores[0], (sums / sums.mean()).detach())
    assert model[0].weight.grad is None and model.training


def test_a_frozen_weight_has_no_part_in_taylor():
    model, axis = pair()
    batches = [((torch.eye(2)[:1],), torch.zeros(1, 1))]
    model[0].weight.requires_grad_(False)
    own = (model[1].weight * calibration_gradients(model, batches)[model[1].weight]).abs()
    torch.testing.assert_close(axis_scores(model, [axis], "taylor", batches)[0], (own / own.mean()).detach())
    model.requires_grad_(False)
    with pytest.raises(UserError, match="'hidden': every weight that it belongs to is frozen"):
        axis_scores(model, [axis], "taylor", batches)


def test_repeats_and_neighbours_of_a_unit_are_summed():
    layer = nn.Linear(6, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    two_copies = Axis("a", [Slot(layer, "weight", 1, outer=2)])
    neighbours = Axis("b", [Slot(layer, "weight", 1, inner=2)])
    assert axis_scores(layer, [two_copies, neighbours], "l1")[0].tolist() == [[5.0, 7.0, 9.0]]
    assert axis_scores(layer, [two_copies, neighbours], "l1")[1].tolist() == [[3.0, 7.0, 11.0]]


@pytest.mark.parametrize("name", ["Transformer", "Autoformer", "Informer", "iTransformer", "TCN"])
@pytest.mark.parametrize("kind", ["group-l2", "l1", "taylor"])
def test_same_as_torch_pruning(name, kind):
    """Groups of the graph are found again among the axes by their first layer; scores agree unit by unit."""
    torch.manual_seed(0)
    model = small_model(name, d_model=12, n_heads=2).eval()
    data = example(model)
    target = torch.randn(4, 18, 3)
    theirs = {
        "group-l2": torch_pruning.importance.GroupMagnitudeImportance(p=2),
        "l1": torch_pruning.importance.GroupMagnitudeImportance(p=1, normalizer=None),
        "taylor": torch_pruning.importance.GroupTaylorImportance(),
    }[kind]
    axes = [axis for axis in model.axes() if axis.kind != "n_heads" and axis.groups * axis.width > 6]
    ours = {
        (id(slot.module), slot.dim): (axis, scores)
        for axis, scores in zip(axes, axis_scores(model, axes, kind, [(data, target)]), strict=True)
        for slot in axis.slots
        if slot.tensor == "weight"
    }
    pruner = paper_pruner(model, data, 0.5)
    (model(*data) - target).square().mean().backward()
    compared = 0
    roots = [nn.Linear, nn.Conv1d]
    for group in pruner.DG.get_all_groups(ignored_layers=model.output_layers(), root_module_types=roots):
        axis, scores = ours.get((id(group[0].dep.layer), 0), (None, None))
        # The library's Taylor score leaves batch norms out: it asks for group norms in their place.
        normed = kind == "taylor" and any(isinstance(dep.layer, nn.BatchNorm1d) for dep, _ in group)
        if axis is not None and not normed:
            torch.testing.assert_close(scores.flatten(), theirs(group).detach(), rtol=1e-4, atol=1e-6)
            compared += 1
    assert compared >= 2


def test_random_follows_its_seed_only():
    model, axis = pair()
    torch.manual_seed(1)
    first = axis_scores(model, [axis], "random", seed=5)[0]
    torch.manual_seed(2)
    assert torch.equal(first, axis_scores(model, [axis], "random", seed=5)[0])
    assert not torch.equal(first, axis_scores(model, [axis], "random", seed=6)[0])


def test_bad_input():
    model, axis = pair()
    with pytest.raises(UserError, match="unknown importance 'group_l2'; did you mean 'group-l2'"):
        axis_scores(model, [axis], "group_l2")
    with pytest.raises(UserError, match="needs calibration"):
        axis_scores(model, [axis], "taylor")
    model[0].weight.data[0, 0] = torch.nan
    with pytest.raises(UserError, match="'hidden' hold NaN"):
        axis_scores(model, [axis], "l2")


def test_all_zero_weights_are_no_division_by_zero():
    model, axis = pair()
    for parameter in model.parameters():
        parameter.data.zero_()
    assert axis_scores(model, [axis], "group-l2")[0].tolist() == [[0.0, 0.0, 0.0]]
