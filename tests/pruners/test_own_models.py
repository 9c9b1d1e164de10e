"""Modules, optimisers and loops of a user's own: masks that are right, or one line that says what is in the way."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from tsprune.errors import UserError
from tsprune.models import create_model
from tsprune.pruners import (
    HeldMasks,
    apply_masks,
    density,
    depgraph_paper,
    list_scores,
    magnitude_masks,
    nm_masks,
    prunable_weights,
    score_weights,
    second_order_prune,
    select,
    structured_prune,
)
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.methods import make_method
from tsprune.pruners.ranking import largest, largest_anywhere

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
BATCHES = [([X], X)]


def own():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))


def refused(call, *words):
    with pytest.raises(UserError) as error:
        call()
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


COMPUTED = {
    "pruned by torch": (lambda layer: prune.l1_unstructured(layer, "weight", 0.5), "prune.remove(layer, 'weight')"),
    "weight norm": (parametrizations.weight_norm, "parametrize.remove_parametrizations(layer, 'weight')"),
    "weight norm of before": (torch.nn.utils.weight_norm, "utils.remove_weight_norm(layer, 'weight')"),
    "spectral norm of before": (torch.nn.utils.spectral_norm, "utils.remove_spectral_norm(layer, 'weight')"),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.parametrize("how", COMPUTED)
def test_a_weight_that_is_computed_from_others_is_told_with_what_makes_one_of_it(how):
    change, undo = COMPUTED[how]
    model = own()
    change(model[2])
    for call in (magnitude_masks, lambda *_: score_weights("synflow", model, BATCHES)):
        refused(lambda call=call: call(model, 0.5, "layer"), "'2.weight' is computed from other parameters", undo)


def test_names_are_those_of_the_model_whatever_is_around_it():
    model = own()
    masks = magnitude_masks(nn.DataParallel(model), 0.5, "layer")
    assert masks.keys() == prunable_weights(model).keys() == prunable_weights(torch.compile(model)).keys()
    apply_masks(torch.compile(model), masks)
    assert density(model, masks).kept == 32 == sum(int(w.count_nonzero()) for w in prunable_weights(model).values())


def test_what_a_pruner_returns_around_its_masks_is_no_mask():
    refused(lambda: apply_masks(own(), nm_masks(own())), "not a Masked; give its field masks")
    mask = magnitude_masks(own(), 0.5, "layer")["0.weight"].numpy()
    refused(lambda: apply_masks(own(), {"0.weight": mask}), "expected a bool tensor, found a ndarray")


def test_what_has_no_entry_no_shape_or_no_numbers():
    model = own()
    model.none = nn.Parameter(torch.empty(0, 3))
    assert density(model, magnitude_masks(model, 0.5, "global")).kept == 32
    refused(lambda: prunable_weights(nn.LazyLinear(3)), "'weight' has no shape yet; call the model once")
    refused(lambda: magnitude_masks(own().to("meta"), 0.5, "layer"), "'0.weight' has no numbers")
    refused(lambda: second_order_prune(own().to("meta"), BATCHES), "'0.weight' has no numbers")


@pytest.mark.parametrize("density", ["0.5", None, True, torch.tensor(0.5)])
def test_a_density_is_a_number(density):
    refused(lambda: magnitude_masks(own(), density, "layer"), "density = ", "allowed is a number above 0 and at most 1")


def test_complex_numbers_are_ranked_by_their_magnitude():
    weights = torch.tensor([[3j, 1.0, 2.0, 0.0]])
    for found in (largest([weights], [2]), largest_anywhere([weights.expand(9000, 4)], 18000)):
        assert found[0][0].tolist() == [True, False, True, False]


class Complex(nn.Module):
    """A real map, and a complex one of the signal's spectrum."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(4, 4)
        self.modes = nn.Parameter(torch.randn(3, 3, dtype=torch.cfloat))

    def forward(self, x):
        return torch.fft.irfft(torch.fft.rfft(self.map(x)) @ self.modes, 4)


@pytest.mark.parametrize("score", list_scores())
def test_every_score_takes_a_model_with_complex_weights(score):
    model = Complex()
    found = score_weights(score, model, BATCHES)
    assert found.scores.keys() | found.left.keys() == {"map.weight", "modes"}
    assert density(model, select(found.scores, 0.5, "global")).kept < 25


def test_complex_numbers_have_no_sign_to_go_by():
    model = Complex()
    sparsity = Sparsity(make_method("set", every=2), steps=10)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    refused(lambda: sparsity.attach(model, optimizer), "'modes' is complex and has no sign", "removal = 'magnitude'")


def test_a_frozen_model_and_one_without_weights_have_no_score_by_gradient():
    frozen = own().requires_grad_(False)
    for name in ("taylor", "synflow", "snip"):
        assert score_weights(name, frozen, BATCHES).left.keys() == {"0.weight", "2.weight"}
        assert score_weights(name, nn.Identity(), BATCHES) == ({}, {})


class Blind(nn.Module):
    """Its one weight has no effect."""

    def __init__(self):
        super().__init__()
        self.idle = nn.Linear(4, 4)

    def forward(self, x):
        return x


def test_a_forecast_that_depends_on_no_weight_gives_zeros():
    assert not score_weights("taylor", Blind(), BATCHES).scores["idle.weight"].any()
    assert score_weights("synflow", Blind(), BATCHES).left == {"idle.weight": "no flow reaches it"}


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_gradients_are_computed_where_the_caller_has_none(around):
    model = own()
    wanted = score_weights("taylor", model, BATCHES).scores
    with around():
        found = score_weights("taylor", model, BATCHES).scores
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_calibration_may_be_made_where_there_are_no_gradients():
    model = own()
    with torch.inference_mode():
        made = [([x.clone() for x in inputs], target.clone()) for inputs, target in BATCHES]
    for name in list_scores():
        wanted, found = (score_weights(name, model, batches).scores for batches in (BATCHES, made))
        assert all(torch.equal(found[weight], wanted[weight]) for weight in wanted), name


def test_a_batch_may_be_a_pair_of_tensors_as_data_loaders_give_them():
    model = own()
    wanted = score_weights("taylor", model, BATCHES).scores
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, X), batch_size=3)
    found = score_weights("taylor", model, loader).scores
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


class Pair(Blind):
    def forward(self, x):
        return self.idle(x), None


@pytest.mark.parametrize(
    ("model", "batch", "words"),
    [
        (own, X, "a calibration batch is (inputs, target), not a Tensor"),
        (own, (X, X, X), "a calibration batch is (inputs, target), not a tuple of 3"),
        (own, ([X], X[:, :1]), "Sequential gives (3, 4), the calibration target is (3, 1)"),
        (Pair, ([X], X), "Pair gives a tuple, the calibration target is (3, 4)"),
    ],
)
def test_what_is_no_batch_or_no_forecast_is_told(model, batch, words):
    refused(lambda: score_weights("taylor", model(), [batch]), words)


def test_values_that_no_hessian_can_be_made_of_are_named():
    for call in (second_order_prune, lambda model, batches: score_weights("obs", model, batches)):
        refused(lambda call=call: call(own(), [([X * float("nan")], X)]), "the inputs of '0.weight' hold NaN")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"pattern": (2,)}, "n:m = 2: allowed is 0 < n < m"),
        ({"pattern": (1.5, 4)}, "n:m = 1.5:4"),
    ],
)
def test_settings_of_second_order_that_make_no_sense(setting, words):
    refused(lambda: second_order_prune(own(), BATCHES, **setting), words)


def test_n_of_m_needs_scores_of_the_weights_shape():
    refused(lambda: nm_masks(own(), 2, 4, {"0.weight": torch.ones(3)}), "'0.weight' have shape (3,), the weight has")


def test_attention_of_torchs_own_says_why_its_last_product_is_not_seen():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    left = score_weights("wanda", layer, [([X[None]], X[None])]).left
    assert left["self_attn.out_proj.weight"] == "torch multiplies it within its attention"


def test_a_model_that_declares_nothing_is_not_given_to_torch_pruning():
    refused(lambda: depgraph_paper(own(), [X], 0.5), "Sequential declares no widths to narrow: it lacks the axes()")


def small():
    sizes = {"seq_len": 12, "label_len": 6, "pred_len": 6, "d_model": 8, "n_heads": 2, "d_ff": 8, "e_layers": 1}
    return create_model("iTransformer", enc_in=2, dec_in=2, c_out=2, **sizes)


def test_weights_that_are_one_stay_one_in_a_narrower_model_and_count_once():
    model = small()
    attention = model.encoder.layers[0].attention
    attention.key.weight = attention.query.weight
    found = structured_prune(model, [torch.randn(1, *shape) for shape in model.input_shapes().values()], 0.5)
    narrow = found.model.encoder.layers[0].attention
    assert narrow.key.weight is narrow.query.weight
    assert found.parameters == tuple(sum(p.numel() for p in m.parameters()) for m in (model, found.model))


def test_what_is_narrowed_is_the_model_inside_a_wrapper():
    model = small()
    inputs = [torch.randn(2, *shape) for shape in model.input_shapes().values()]
    for narrow in (structured_prune, depgraph_paper):
        found = narrow(nn.DataParallel(model), inputs, 0.5)
        assert type(found.model) is type(model) and found.achieved == narrow(model, inputs, 0.5).achieved
        refused(
            lambda narrow=narrow: narrow(model, dict(enumerate(inputs)), 0.5), "example_inputs are a list of tensors"
        )
        refused(lambda narrow=narrow: narrow(model, None, 0.5), "not a NoneType")
        empty = copy.deepcopy(model).to("meta")
        refused(lambda narrow=narrow, empty=empty: narrow(empty, inputs, 0.5), "has no numbers")
    prune.l1_unstructured(model.projection, "weight", 0.5)
    refused(lambda: structured_prune(model, inputs, 0.5), "'projection.weight' is computed from other parameters")


def steps(method, *, after, zero_first=False, **fields):
    """A model and its masks after ten steps; ``after``: of the loss, what the controller is given."""
    model = own()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    sparsity = Sparsity(make_method(method, every=2, **fields), steps=10)
    sparsity.attach(model, optimizer)
    for _ in range(10):
        loss = (model(X) - X).square().mean()
        loss.backward()
        optimizer.step()
        if zero_first:
            optimizer.zero_grad()
        sparsity.after_step(after(loss))
        optimizer.zero_grad()
    return sparsity


def test_a_loss_may_be_a_number_and_is_held_without_its_graph():
    torch.manual_seed(0)
    with_graph = steps("pals", after=lambda loss: loss)
    assert not with_graph._average.requires_grad
    torch.manual_seed(0)
    as_number = steps("pals", after=torch.Tensor.item)
    assert [r["decision"] for r in as_number.log] == [r["decision"] for r in with_graph.log]


def test_gradients_that_are_gone_too_early_are_told():
    refused(
        lambda: steps("pals", after=torch.Tensor.item, zero_first=True), "call after_step before optimizer.zero_grad"
    )


def test_an_optimiser_of_another_model_is_told():
    model, other = own(), own()
    sparsity = Sparsity(make_method("rigl", every=2), steps=10)
    refused(
        lambda: sparsity.attach(model, torch.optim.SGD(other.parameters(), 0.1)),
        "the optimizer holds none of the weights of this Sequential",
    )


def test_masks_hold_a_compiled_copy_in_a_users_own_loop():
    model = own()
    masks = magnitude_masks(model, 0.25, "global")
    held, wrapped = HeldMasks(masks), nn.DataParallel(copy.deepcopy(model))
    optimizer = torch.optim.AdamW(wrapped.parameters(), 0.1, weight_decay=0.1)
    held.attach(wrapped, optimizer)
    wrapped.module(X).sum().backward()
    held.mask_gradients()
    optimizer.step()
    held.after_step(torch.tensor(0.0))
    for name, weight in prunable_weights(wrapped).items():
        assert not weight[~masks[name]].any() and weight[masks[name]].all()
