"""Structured pruning: what was asked is what comes out, and what comes out is a smaller model."""

import copy

import pytest
import torch

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.models import create_model, list_models
from tsprune.pruners import DENSITIES, structured_prune
from tsprune.pruners.cost import count
from tsprune.pruners.importance import axis_scores
from tsprune.pruners.structured import best_units

PRUNABLE = [name for name in list_models(trainable=True) if small_model(name).axes()]


def model_of(name, d_model=64, **settings):
    torch.manual_seed(0)
    sizes = {"d_model": d_model, "d_ff": 4 * d_model, "n_heads": 8, "seq_len": 24, "label_len": 12, "pred_len": 24}
    return create_model(name, **(sizes | settings)).eval()


@pytest.mark.parametrize("name", PRUNABLE)
@pytest.mark.parametrize(("by", "target"), [("parameters", 0.107), ("macs", 0.41)])
def test_achieved_is_what_was_asked(name, by, target):
    model = model_of(name)
    inputs = example(model, 2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    result = structured_prune(model, inputs, target, by=by)
    assert result.floor is None
    assert result.achieved == pytest.approx(target, abs=0.01)
    narrow = result.model
    assert result.parameters == tuple(sum(p.numel() for p in m.parameters()) for m in (model, narrow))
    assert result.macs == tuple(count(m, inputs, "macs") for m in (model, narrow))
    whole, left = result.macs if by == "macs" else result.parameters
    assert left / whole == result.achieved
    with torch.no_grad():
        assert narrow(*inputs).shape == (2, 24, 7) and narrow(*inputs).isfinite().all()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    now = {axis.name: axis.width for axis in narrow.axes()}
    assert {g.name: g.after for g in result.groups if not g.name.endswith("outputs")} == now
    for axis in narrow.axes():
        assert all(getattr(module, attribute) == axis.width for module, attribute in axis.writes)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRUNABLE)
@pytest.mark.parametrize("d_model", [64, 512])
@pytest.mark.parametrize("scope", ["global", "local", "isomorphic"])
def test_the_whole_grid(name, d_model, scope):
    model = model_of(name, d_model)
    inputs = example(model, 2)
    for by in ("parameters", "macs"):
        for target in DENSITIES:
            result = structured_prune(model, inputs, target, by=by, scope=scope)
            assert result.achieved == pytest.approx(target, abs=0.01) or "is the least" in result.floor


@pytest.mark.parametrize("scope", ["global", "local", "isomorphic"])
@pytest.mark.parametrize("importance", ["l1", "l2", "group-l2", "taylor", "random"])
def test_every_importance_in_every_scope(scope, importance):
    model = model_of("FEDformer", 16, n_heads=4)
    inputs = example(model, 2)
    calibration = [(inputs, torch.randn(2, 24, 7))]
    result = structured_prune(model, inputs, 0.3, importance=importance, scope=scope, calibration=calibration)
    assert result.achieved == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("name", PRUNABLE)
def test_nothing_asked_nothing_changed(name):
    model = small_model(name).eval()
    result = structured_prune(model, example(model), 1.0)
    assert result.achieved == 1 and all(g.before == g.after for g in result.groups)
    assert torch.equal(result.model(*example(model)), model(*example(model)))


@pytest.mark.parametrize("name", PRUNABLE)
def test_units_of_least_weight_go_first(name):
    """Half of every inner width is made worthless: what goes is of that half."""
    model = model_of(name, 16, n_heads=2)
    axes = [axis for axis in model.axes() if axis.kind in ("d_ff", "hidden", "hidden0", "hidden1")]
    for axis in axes:
        worthless = torch.arange(0, axis.width, 2)
        with torch.no_grad():
            for slot in axis.slots:
                slot.value.movedim(slot.dim, 0).unflatten(0, (slot.outer, -1, slot.inner))[:, worthless] *= 1e-6
    names, widths = [axis.name for axis in axes], {axis.name: axis.width for axis in axes}
    result = structured_prune(model, example(model, 2), 0.97)
    for axis in result.model.axes():
        if axis.name in names:
            assert axis.width >= widths[axis.name] // 2
            norm = axis_scores(result.model, [axis], "l2")[0][0]
            gone = widths[axis.name] - axis.width
            assert (norm < 1e-6 * norm.max()).sum() == widths[axis.name] // 2 - gone


def test_a_pruned_model_can_be_pruned_on_and_trained():
    model = model_of("Transformer", 32)
    inputs = example(model, 2)
    once = structured_prune(model, inputs, 0.5)
    twice = structured_prune(once.model, inputs, 0.5)
    assert twice.parameters[1] / once.parameters[0] == pytest.approx(0.25, abs=0.01)
    twice.model.train()(*inputs).square().mean().backward()
    assert all(p.grad is not None and p.requires_grad for p in twice.model.parameters())


def test_mode_and_frozen_parameters_are_kept():
    model = model_of("iTransformer", 16).train()
    model.embedding.weight.requires_grad_(False)
    narrow = structured_prune(model, example(model, 2), 0.5).model
    assert model.training and narrow.training
    assert not narrow.embedding.weight.requires_grad and narrow.embedding.bias.requires_grad


def test_inputs_a_model_has_no_use_for_may_be_none():
    model = model_of("PatchTST", 16)
    window = example(model, 2)[0]
    result = structured_prune(model, (window, None, None, None), 0.5, by="macs")
    assert result.achieved == pytest.approx(0.5, abs=0.01)
    assert result.model(window).shape == (2, 24, 7)


def test_heads_instead_of_features():
    model = model_of("Transformer", 32)
    result = structured_prune(model, example(model, 2), 0.3, inside="n_heads")
    widths = {group.name: group for group in result.groups}
    heads = [group for group in result.groups if group.name.endswith("n_heads")]
    assert any(group.after < group.before for group in heads)
    attention = result.model.encoder.layers[0].attention
    assert attention.head_dim == 4 and attention.query.out_features == 4 * attention.n_heads
    assert widths["encoder.layers.0.attention.head_dim"].left == "n_heads was to be narrowed instead"
    assert result.achieved == pytest.approx(0.3, abs=0.01)


def test_what_stays_has_a_reason():
    informer = model_of("Informer", 16)
    left = {g.name: g.left for g in structured_prune(informer, example(informer, 2), 0.5, inside="n_heads").groups}
    assert "mixed as published" in left["encoder.layers.0.attention.n_heads"]
    assert left["encoder.layers.0.attention.head_dim"] is None, "features go where heads cannot"
    assert left["projection.outputs"] == "variables or horizon of the forecast"
    fedformer = model_of("FEDformer", 16)
    groups = {g.name: g for g in structured_prune(fedformer, example(fedformer, 2), 0.2).groups}
    assert "mixed as published" in groups["encoder_block.channels_out"].left
    assert groups["encoder_block.modes"].after < groups["encoder_block.modes"].before
    in_order = model_of("FEDformer", 16, transpose_heads=True, n_heads=2)
    groups = {g.name: g for g in structured_prune(in_order, example(in_order, 2), 0.2, scope="local").groups}
    assert groups["encoder_block.channels_out"].left is None
    assert groups["encoder_block.channels_out"].after < groups["encoder_block.channels_out"].before


def test_a_target_out_of_reach_names_the_floor_and_its_group():
    model = model_of("PatchTST", 32)
    result = structured_prune(model, example(model, 2), 0.05, max_ratio=0.25)
    assert result.achieved > 0.5
    assert "is the least at max_ratio = 0.25" in result.floor and "'d_model'" in result.floor
    narrowest = [g for g in result.groups if g.left and g.left.startswith("as narrow as max_ratio = 0.25")]
    assert len(narrowest) == 5
    assert all(g.after == -(-g.before * 3 // 4) for g in narrowest)


@pytest.mark.parametrize("name", PRUNABLE)
def test_the_floor_is_told_of_every_model_whatever_stays(name):
    model = small_model(name)
    result = structured_prune(model, example(model, 2), 1e-6, by="macs", inside="n_heads")
    assert "is the least at max_ratio = 0.9" in result.floor and "depend on the width" in result.floor


@pytest.mark.parametrize("target", [0.3, 0.2])
def test_a_target_between_two_whole_units_names_the_group_that_is_too_coarse(target):
    model = model_of("PatchTST", 8, d_ff=16, n_heads=2, seq_len=96, pred_len=96)
    result = structured_prune(model, example(model, 2), target)
    assert abs(result.achieved - target) > 0.01
    assert (
        result.floor.startswith(f"{result.achieved:.4f} is as close as whole units come")
        and "'d_model'" in result.floor
    )
    share = float(result.floor.split(" is ")[-1].split("%")[0]) / 100
    assert share > 2 * abs(result.achieved - target) - 1e-3, "else one more unit would have come closer"


def test_what_a_coarse_unit_took_too_much_is_given_back_in_finer_ones():
    model = model_of("PatchTST", 8, d_ff=16, n_heads=2)
    result = structured_prune(model, example(model, 2), 0.512)
    assert result.achieved == pytest.approx(0.512, abs=0.01) and result.floor is None


@pytest.mark.parametrize("name", PRUNABLE)
@pytest.mark.parametrize(("by", "target"), [("parameters", 0.25), ("macs", 0.41)])
def test_widths_in_multiples_meet_the_target_as_well(name, by, target):
    """At d_model 64 and 8 heads; of heads of 8 features, n_heads * head_dim counts."""
    model = model_of(name)
    inputs = example(model, 2)
    result = structured_prune(model, inputs, target, by=by, multiple=8)
    assert result.achieved == pytest.approx(target, abs=0.01) and result.floor is None
    assert count(result.model, inputs, by) / count(model, inputs, by) == result.achieved
    before = {axis.name: axis for axis in model.axes()}
    narrowed = [axis for axis in result.model.axes() if axis.width < before[axis.name].width]
    assert {axis.kind for axis in narrowed} >= {"d_model"} or name == "LSTM"
    for axis in narrowed:
        if before[axis.name].width >= 8:
            assert all(slot.value.shape[slot.dim] % 8 == 0 for slot in axis.slots), axis.name
    wide = [axis for axis in narrowed if before[axis.name].width > 8]
    assert wide and all(axis.width % 8 == 0 for axis in wide)
    with torch.no_grad():
        assert result.model(*inputs).isfinite().all()


def test_in_multiples_the_best_units_are_kept():
    model = model_of("TCN")
    (scores,) = axis_scores(model, [model.axes()[1]])
    narrow = structured_prune(model, example(model, 2), 0.5, multiple=16).model
    width = narrow.blocks[0].first.out_channels
    assert width % 16 == 0 and width < 64
    best = scores[0].topk(width).indices.sort().values
    assert torch.equal(narrow.blocks[0].first.bias, model.blocks[0].first.bias[best])


def test_in_multiples_a_target_may_be_missed_or_out_of_reach_and_that_is_told():
    model = model_of("LSTM", seq_len=24, label_len=12, pred_len=24)
    coarse = structured_prune(model, example(model, 2), 0.4, multiple=16)
    assert abs(coarse.achieved - 0.4) > 0.01
    assert coarse.floor.startswith(f"{coarse.achieved:.4f} is as close as multiples of 16 come: the next 16 units")
    least = structured_prune(model, example(model, 2), 0.05, multiple=16)
    assert f"{least.achieved:.4f} is the least at max_ratio = 0.9 in multiples of 16: " in least.floor
    assert {(g.after, g.left) for g in least.groups if g.name.endswith("hidden")} == {
        (16, "as narrow as max_ratio = 0.9 and its last 16 units allow")
    }


def test_a_model_with_nothing_to_remove_keeps_its_horizon():
    for name in ("DLinear", "RepeatLast"):
        model = small_model(name)
        with pytest.raises(UserError, match=f"{name} has nothing to remove.*horizon"):
            structured_prune(model, example(model), 0.5)
    with pytest.raises(UserError, match=r"Linear declares no widths to narrow: it lacks the axes\(\)"):
        structured_prune(torch.nn.Linear(3, 3), [torch.zeros(1, 3)], 0.5)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"target": 0}, "target = 0: allowed is a number above 0"),
        ({"target": 1.2}, "target = 1.2"),
        ({"max_ratio": 0}, "max_ratio = 0"),
        ({"by": "flops"}, "unknown measure 'flops'"),
        ({"scope": "globl"}, "did you mean 'global'"),
        ({"inside": "heads"}, "did you mean 'n_heads'"),
        ({"importance": "L2"}, "did you mean 'l2'"),
        ({"importance": "taylor"}, "needs calibration"),
        ({"multiple": 0}, "multiple = 0: allowed are whole numbers of 1 or more"),
        ({"multiple": -8}, "multiple = -8"),
        ({"multiple": 8.0}, "multiple = 8.0"),
        ({"multiple": True}, "multiple = True"),
    ],
)
def test_bad_input_is_one_clear_line(setting, words):
    model = small_model("Transformer")
    with pytest.raises(UserError, match=words) as error:
        structured_prune(model, example(model), **setting)
    assert "\n" not in str(error.value)


def test_a_declaration_that_lies_is_caught():
    model = small_model("Transformer").eval()
    honest = model.encoder.layers[0].feed_forward
    lying = copy.copy(honest.axes()[0])
    honest.axes = lambda: [type(lying)(lying.name, lying.slots[:-1])]  # says nothing of the layer that reads it
    with pytest.raises(RuntimeError):
        structured_prune(model, example(model), 0.3)


def test_best_units_by_hand():
    assert best_units(torch.tensor([[4.0, 1.0, 3.0, 2.0]]), 2).tolist() == [0, 2]
    assert best_units(torch.tensor([[0.5, 9.0], [1.9, 0.7]]), 1).tolist() == [1, 2]
    assert best_units(torch.ones(1, 3), 2).tolist() == [0, 1]
