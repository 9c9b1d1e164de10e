"""Exact masks: counts, ties, nesting, tied tensors, and the optimiser step they must survive."""

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.models.small import small_model as forecaster
from tsprune.errors import UserError
from tsprune.layers.decomposition import TrendProjection
from tsprune.pruners import (
    DENSITIES,
    HeldMasks,
    Selection,
    apply_masks,
    authors_masks,
    density,
    layer_densities,
    magnitude_masks,
    prunable_weights,
    pruned,
    select,
)

SCOPES = get_args(Selection)


def small_model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 3, bias=False))


def test_grid_of_the_paper():
    assert len(DENSITIES) == 11
    assert DENSITIES[0] == 1.0
    assert DENSITIES[10] == pytest.approx(0.107, abs=5e-4)


def test_hand_checked_masks():
    scores = {"a": torch.tensor([[4.0, 1.0], [3.0, 2.0]]), "b": torch.tensor([[0.5, 0.1, 0.4, 0.2]])}
    layer = select(scores, 0.5, "layer")
    assert layer["a"].tolist() == [[True, False], [True, False]]
    assert layer["b"].tolist() == [[True, False, True, False]]
    everywhere = select(scores, 0.5, "global")
    # Four of eight: the best of each tensor first (4.0 and 0.5), then 3.0 and 2.0.
    assert everywhere["a"].tolist() == [[True, False], [True, True]]
    assert everywhere["b"].tolist() == [[True, False, False, False]]


def test_ties_are_broken_by_index():
    masks = select({"a": torch.ones(2, 4)}, 0.375, "layer")
    assert masks["a"].flatten().tolist() == [True, True, True, False, False, False, False, False]


def tensors(draw_values):
    shape = st.tuples(st.integers(1, 6), st.integers(1, 6))
    return st.lists(shape, min_size=1, max_size=4).flatmap(
        lambda shapes: st.tuples(*[st.lists(draw_values, min_size=a * b, max_size=a * b) for a, b in shapes]).map(
            lambda values: {
                f"w{i}": torch.tensor(v).view(s) for i, (v, s) in enumerate(zip(values, shapes, strict=True))
            }
        )
    )


@settings(max_examples=60, deadline=None)
@given(
    # Few distinct values, so that ties are common.
    scores=tensors(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])),
    pair=st.tuples(st.floats(0.001, 1.0), st.floats(0.001, 1.0)),
    scope=st.sampled_from(SCOPES),
)
def test_counts_are_exact_and_masks_are_nested(scores, pair, scope):
    low, high = sorted(pair)
    fewer, more = select(scores, low, scope), select(scores, high, scope)
    for name in scores:
        assert fewer[name].sum() >= 1
        assert not (fewer[name] & ~more[name]).any()
    total = sum(s.numel() for s in scores.values())
    assert sum(int(m.sum()) for m in more.values()) == max(len(scores), round(high * total))


@pytest.mark.parametrize("scope", SCOPES)
def test_density_over_prunable_and_over_all(scope):
    model = small_model()
    masks = magnitude_masks(model, 0.5, scope)
    achieved = density(model, masks)
    assert achieved.prunable == 5 * 7 + 7 * 3
    assert achieved.parameters == achieved.prunable + 7 + 14
    assert achieved.kept == sum(int(m.sum()) for m in masks.values())
    assert achieved.over_prunable == pytest.approx(0.5, abs=0.02)
    assert achieved.over_all == (achieved.kept + 21) / achieved.parameters
    records = layer_densities(model, masks)
    assert [r["layer"] for r in records] == ["0.weight", "2.weight"]
    assert sum(r["layer_density"] * r["weights"] for r in records) == pytest.approx(achieved.kept)


def test_global_keeps_the_larger_weights_whatever_the_layer():
    model = small_model()
    with torch.no_grad():
        model[2].weight.mul_(1e-3)
    masks = magnitude_masks(model, 35 / 56, "global")
    assert masks["2.weight"].sum() == 1
    assert masks["0.weight"].sum() == 34


def test_biases_norms_stay_dense_and_tied_tensors_stand_once():
    model = nn.ModuleList([nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)])
    model[2].weight = model[0].weight
    assert list(prunable_weights(model)) == ["0.weight"]
    assert density(model, magnitude_masks(model, 0.25, "layer")).kept == 4


def test_pruning_is_reversible():
    model = small_model()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="inside"), pruned(model, magnitude_masks(model, 0.1, "global")):
        assert (model[0].weight == 0).sum() > 25
        raise RuntimeError("inside")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_masks_survive_an_optimiser_step():
    model = small_model()
    masks = magnitude_masks(model, 0.3, "layer")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    held = HeldMasks(masks)
    held.attach(model, optimizer)
    for _ in range(3):
        loss = model(torch.randn(8, 5)).pow(2).mean()
        loss.backward()
        optimizer.step()
        assert any((w[~masks[name]] != 0).any() for name, w in prunable_weights(model).items())
        held.after_step(loss.detach())
        for name, weight in prunable_weights(model).items():
            assert (weight[~masks[name]] == 0).all()
            assert (weight[masks[name]] != 0).any()


def test_the_first_papers_protocol_ranks_linear_maps_and_convolutions_once():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2, bias=False), nn.Conv1d(2, 2, 1, bias=False)
            self.raw, self.seven, self.trend = nn.Parameter(torch.ones(2, 2)), nn.Linear(2, 7), TrendProjection(2, 7)

    model = Model()
    model.a.weight.data = torch.tensor([[4.0, 3.0], [2.0, 5.0]])
    model.b.weight.data = torch.tensor([[[1.0], [0.5]], [[-0.1], [0.2]]])
    masks, left = authors_masks(model, 0.5)
    assert masks["a.weight"].all() and not masks["b.weight"].any(), "a layer may lose all"
    assert left == {
        "raw": "not the weight of a Linear or Conv1d but of Model",
        "seven.weight": "its output is 7 wide",
        "trend.weight": "its output is 7 wide",
    }
    assert authors_masks(model, 0.5, widths=(7,)).left == left
    with pytest.raises(UserError, match="Model has no layer that the first paper's protocol prunes"):
        authors_masks(model, 0.5, widths=(2, 7))


@pytest.mark.parametrize("name", ["Transformer", "Informer", "Autoformer", "FEDformer", "Crossformer"])
def test_the_first_papers_models_keep_what_its_protocol_leaves(name):
    torch.manual_seed(0)
    model = forecaster(name, enc_in=7, dec_in=7, c_out=7)
    masks, left = authors_masks(model, 0.134)
    sizes = {key: w.numel() for key, w in prunable_weights(model).items()}
    ranked = sum(sizes[key] for key in masks)
    assert masks.keys() | left.keys() == sizes.keys()
    assert density(model, masks).kept == round(0.134 * ranked) + sum(sizes[key] for key in left)
    assert ("projection.weight" in left) == (name != "Crossformer")
    assert all(key in left for key in sizes if "routers" in key or "block.weights" in key or "positions" in key)


def test_clipping_sees_the_gradients_of_kept_weights():
    model = nn.Linear(4, 1, bias=False)
    held = HeldMasks({"weight": torch.tensor([[True, True, False, False]])})
    held.attach(model, torch.optim.SGD(model.parameters()))
    model.weight.grad = torch.tensor([[3.0, 4.0, 12.0, 0.0]])
    held.mask_gradients()
    assert nn.utils.clip_grad_norm_(model.parameters(), 1.0) == 5.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: magnitude_masks(small_model(), 0.0, "layer"), "above 0"),
        (lambda: magnitude_masks(small_model(), 1.5, "layer"), "at most 1"),
        (lambda: magnitude_masks(small_model(), 0.5, "layers"), "did you mean 'layer'"),
        (lambda: authors_masks(small_model(), 0.0), "above 0"),
        (lambda: select({"a": torch.tensor([[1.0, torch.nan]])}, 0.5, "layer"), "'a' hold NaN"),
        (lambda: apply_masks(small_model(), {"0.wight": torch.ones(7, 5).bool()}), "did you mean '0.weight'"),
        (lambda: apply_masks(small_model(), {"0.weight": torch.ones(5, 7).bool()}), "expected bool"),
    ],
)
def test_bad_input_is_one_clear_line(call, words):
    with pytest.raises(UserError, match=words) as error:
        call()
    assert "\n" not in str(error.value)
