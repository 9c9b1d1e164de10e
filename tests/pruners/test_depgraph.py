"""torch-pruning beside our own: the same where its graph can read a model, and what the paper's use of it misses."""

import copy
import inspect
from itertools import pairwise

import pytest
import torch
import torch_pruning
from torch import nn

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.pruners import depgraph
from tsprune.pruners.depgraph import Unprunable, depgraph_paper, depgraph_to_the_end, paper_pruner
from tsprune.pruners.importance import axis_scores
from tsprune.pruners.structured import best_units, narrowed

READABLE = ["Transformer", "Autoformer", "Informer", "iTransformer", "TCN"]


def model_of(name, **settings):
    torch.manual_seed(0)
    return small_model(name, **({"d_model": 32, "n_heads": 4, "d_ff": 64} | settings)).eval()


@pytest.mark.parametrize("name", READABLE)
def test_same_groups(name):
    """A group of the graph and an axis join the same sides of the same layers."""
    model = model_of(name, e_layers=3)
    ours = {
        frozenset((id(s.module), s.dim) for s in axis.slots if s.tensor == "weight")
        for axis in model.axes()
        if axis.kind != "n_heads"
    }
    pruner = paper_pruner(model, example(model, 2), 0.5)
    roots = [nn.Linear, nn.Conv1d]
    theirs = set()
    for group in pruner.DG.get_all_groups(ignored_layers=model.output_layers(), root_module_types=roots):
        layers = [(dep.layer, pruner.DG.is_out_channel_pruning_fn(dep.handler)) for dep, _ in group]
        weights = [(m, out) for m, out in layers if isinstance(getattr(m, "weight", None), torch.Tensor)]
        norms = (nn.LayerNorm, nn.BatchNorm1d)
        theirs.add(frozenset((id(m), 0 if out or isinstance(m, norms) else 1) for m, out in weights))
    assert len(ours) == len(theirs)
    assert ours == theirs


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("density", [0.75, 0.5, 0.25])
def test_same_shapes_and_the_same_weights(name, density):
    model = model_of(name)
    inputs = example(model, 2)
    theirs = depgraph_paper(model, inputs, density).model
    axes = [axis for axis in model.axes() if axis.kind != "n_heads"]
    widths = {axis.name: axis.width for axis in theirs.axes()}
    scores = axis_scores(model, axes)
    keep = {axis.name: best_units(score, widths[axis.name]) for axis, score in zip(axes, scores, strict=True)}
    ours = narrowed(model, keep, inputs, model(*inputs)[:1].shape)
    shapes = [{key: tuple(p.shape) for key, p in m.named_parameters()} for m in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert str(ours) == str(theirs)
    for key in ("projection.weight", "encoder.layers.0.feed_forward.up.weight", "blocks.1.first.weight"):
        if key in dict(ours.named_parameters()):
            assert torch.equal(ours.get_parameter(key), theirs.get_parameter(key)), key


@pytest.mark.parametrize("name", READABLE)
def test_a_ratio_of_channels_is_no_density(name):
    model = model_of(name)
    inputs = example(model, 2)
    result = depgraph_paper(model, inputs, 0.5)
    assert result.asked == 0.5
    assert result.achieved == pytest.approx(0.25, abs=0.05)
    assert result.parameters[1] == sum(p.numel() for p in result.model.parameters())
    assert result.achieved == result.parameters[1] / result.parameters[0]
    assert result.model.eval()(*inputs).shape == model(*inputs).shape
    assert all(group.after < group.before for group in result.groups if not group.left)


def test_fourier_weights_are_not_seen():
    model = model_of("FEDformer")
    result = depgraph_paper(model, example(model, 2), 0.2)
    assert result.achieved > 0.5
    groups = {group.name: group for group in result.groups}
    assert groups["encoder_block.modes"].after == groups["encoder_block.modes"].before
    assert groups["encoder_block.channels"].after == groups["encoder_block.channels"].before


@pytest.mark.parametrize("name", ["Crossformer", "PatchTST", "LSTM"])
def test_models_that_it_breaks_are_named(name):
    model = model_of(name)
    with pytest.raises(UserError, match=f"torch-pruning breaks {name}: ") as error:
        depgraph_paper(model, example(model, 2), 0.5)
    assert "\n" not in str(error.value)


def test_nothing_to_remove_and_a_density_that_is_none():
    model = small_model("DLinear")
    with pytest.raises(UserError, match="DLinear has nothing to remove"):
        depgraph_paper(model, example(model, 2), 0.5)
    with pytest.raises(UserError, match="density = 0"):
        depgraph_paper(model, example(model, 2), 0)


def test_no_pruner_leaves_traces_in_the_next():
    model = model_of("iTransformer")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for _ in range(2):
        depgraph_paper(model, example(model, 2), 0.5)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    defaults = inspect.signature(torch_pruning.pruner.BasePruner.__init__).parameters.values()
    assert not any(p.default for p in defaults if isinstance(p.default, dict))
    trend = model_of("Autoformer")
    paper_pruner(trend, example(trend, 2), 0.5)
    assert "forward" not in vars(trend.decoder.layers[0].trend_projection)


def test_running_out_of_memory_is_not_the_librarys_fault(monkeypatch):
    monkeypatch.setattr(depgraph, "paper_pruner", lambda *_, **__: torch.empty(2**60))
    model = small_model("Transformer")
    with pytest.raises(RuntimeError, match="tried to allocate") as caught:
        depgraph.depgraph_paper(model, example(model), 0.5)
    assert not isinstance(caught.value, UserError)


class Twice(nn.Module):
    """``down(up(x))``: the width between them is what the library can take."""

    def __init__(self, up: list[float], down: list[float]):
        super().__init__()
        self.up, self.down = nn.Linear(1, len(up), bias=False), nn.Linear(len(down), 1, bias=False)
        self.up.weight.data, self.down.weight.data = torch.tensor([[w] for w in up]), torch.tensor([down])

    def forward(self, x):
        return self.down(self.up(x))

    def output_layers(self):
        return [self.down]

    def axes(self):
        return []


def test_to_the_end_takes_the_smallest_unit_of_what_is_left_step_by_step():
    model, x = Twice([3.0, 1.0, -4.0, 2.0], [1.0, 2.0, -5.0, 2.0]), torch.ones(2, 1)
    # Mean squared norms of the units: (9+1)/2, (1+4)/2, (16+25)/2, (4+4)/2 = 5, 2.5, 20.5, 4, so the order is 2, 4, 1.
    results = list(depgraph_to_the_end(model, (x,), 4))
    assert [r.model.up.weight.flatten().tolist() for r in results] == [[3.0, -4.0, 2.0], [3.0, -4.0], [-4.0]]
    assert [r.model.down.weight.flatten().tolist() for r in results] == [[1.0, -5.0, 2.0], [1.0, -5.0], [-5.0]]
    assert [(r.asked, r.achieved) for r in results] == [(0.75, 0.75), (0.5, 0.5), (0.25, 0.25)]
    assert [r.model(x)[0].item() for r in results] == [27.0, 23.0, 20.0] and model(x)[0].item() == 29.0
    assert [r.achieved for r in depgraph_to_the_end(model, (x,), 2)] == [0.5], "the last channel cannot go"


def test_to_the_end_leaves_a_group_whole_that_would_lose_all():
    with pytest.raises(Unprunable, match="takes nothing from Twice in 4 steps"):
        list(depgraph_to_the_end(Twice([1.0, 1.0], [2.0, 2.0]), (torch.ones(2, 1),), 4))
    with pytest.raises(UserError, match="steps = 0: allowed"):
        next(depgraph_to_the_end(Twice([1.0, 2.0], [2.0, 2.0]), (torch.ones(2, 1),), 0))


@pytest.mark.parametrize("name", ["Transformer", "FEDformer"])
def test_on_the_way_to_the_end_every_model_is_smaller_and_still_forecasts(name):
    model, steps = model_of(name, e_layers=1, d_model=16), 3
    inputs = example(model, 2)
    results = list(depgraph_to_the_end(model, inputs, steps))
    left = [(1.0, results[0].macs[0]), *((r.achieved, r.macs[1]) for r in results)]
    assert len(results) >= 2 and all(b[0] < a[0] and b[1] < a[1] for a, b in pairwise(left))
    assert [r.asked for r in results] == [1 - k / steps for k in range(1, len(results) + 1)]
    for r in results:
        assert r.parameters[1] == sum(p.numel() for p in r.model.parameters())
        assert r.model.eval()(*inputs).shape == model(*inputs).shape
    if name == "Transformer":  # FEDformer's projections into Fourier weights are left alone on this way only
        once = copy.deepcopy(model)
        with depgraph.library(model, once, inputs):
            paper_pruner(once, inputs, 1 / steps, global_pruning=True).step()
        assert str(once) == str(results[0].model)
        assert all(torch.equal(p, q) for p, q in zip(once.parameters(), results[0].model.parameters(), strict=True))


def test_a_model_that_breaks_on_the_way_to_the_end_has_given_what_ran_before(monkeypatch):
    class Breaking(torch_pruning.pruner.BasePruner):
        def step(self):
            super().step()
            if self.current_step == 2:
                self.model.down = nn.Linear(7, 1)

    monkeypatch.setattr(torch_pruning.pruner, "BasePruner", Breaking)
    model, results = Twice([3.0, 1.0, -4.0, 2.0], [1.0, 2.0, -5.0, 2.0]), []
    with pytest.raises(Unprunable, match="torch-pruning breaks Twice: RuntimeError"):
        results.extend(depgraph_to_the_end(model, (torch.ones(2, 1),), 4))
    assert [r.model.up.out_features for r in results] == [3]
