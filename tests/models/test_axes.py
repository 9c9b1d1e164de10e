"""What a model declares about its widths is complete, consistent and true."""

import copy

import pytest
import torch
from torch import nn

from tests.models.small import example, small_model
from tsprune.models import list_models

trainable_model = pytest.mark.parametrize("name", list_models(trainable=True))
NORMS = (nn.LayerNorm, nn.BatchNorm1d)
WIDER = {"d_model": 24, "n_heads": 4, "d_ff": 20, "factor": 2}
OWN = {
    "Nonstationary_Transformer": ({"p_hidden_dims": (6, 7)}, {"p_hidden_dims": (9, 11)}),
    "FEDformer": ({}, {"modes": 5}),
}


@trainable_model
def test_every_dimension_that_a_width_decides_lies_on_an_axis(name):
    narrow, wide = OWN.get(name, ({}, {}))
    model, other = small_model(name, e_layers=3, **narrow), small_model(name, e_layers=3, **WIDER | wide)
    shapes = dict(other.named_parameters())
    name_of = {id(module): key for key, module in model.named_modules()}
    slots = [slot for axis in model.axes() for slot in axis.slots]
    places = {(f"{name_of[id(s.module)]}.{s.tensor}".removeprefix("."), s.dim) for s in slots}
    for key, parameter in model.named_parameters():
        for dim, (a, b) in enumerate(zip(parameter.shape, shapes[key].shape, strict=True)):
            heads_of_fourier_weights = "_block.weights." in key and dim == 1  # mixed with time as published: they stay
            assert a == b or (key, dim) in places or heads_of_fourier_weights, (
                f"{key} dimension {dim} changes with {', '.join(WIDER)}: declare it as an Axis, in axes() of its layer "
                "or streams() of the model (docs/models.md)"
            )


@trainable_model
def test_axes_have_one_width_each_and_their_own_name(name):
    axes = small_model(name, e_layers=3).axes()
    assert len({axis.name for axis in axes}) == len(axes)
    assert all(axis.width > 0 for axis in axes)
    for axis in axes:
        for module, attribute in axis.writes:
            assert getattr(module, attribute) == axis.width


def zero(axis, gone):
    """Make all that belongs to the units ``gone`` of an axis zero."""
    for slot in axis.slots:
        units = slot.value.movedim(slot.dim, 0).unflatten(0, (slot.outer, -1, slot.inner))
        units[:, gone] = 0


IN_ORDER = {"transpose_heads": True}


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "case"),
    [*((name, {}) for name in list_models(trainable=True)), ("Informer", IN_ORDER), ("FEDformer", IN_ORDER)],
)
def test_a_removed_unit_has_the_effect_of_a_zero_one(name, case):
    """For every width that no norm averages over: exactly what was there is gone, and the rest is as it was."""
    torch.manual_seed(0)
    model = small_model(name, d_model=12, n_heads=3, e_layers=2, **case).double().eval()
    for parameter in model.parameters():
        parameter.normal_(std=0.3)
    inputs = example(model, dtype=torch.float64)
    whole = model(*inputs)
    for axis in model.axes():
        averaged = any(isinstance(slot.module, NORMS) for slot in axis.slots)
        if averaged or axis.fixed or axis.kind == "routers":  # softmax over routers counts zero ones too
            continue
        width, groups = axis.width, axis.groups
        keep = torch.stack(
            [torch.randperm(width)[: width - 1].sort().values + g * width for g in range(groups)]
        ).flatten()
        gone = [unit for unit in range(groups * width) if unit not in keep]
        narrow = copy.deepcopy(model)  # which first has zeros in place of the units
        own = next(a for a in narrow.axes() if a.name == axis.name)
        zero(own, gone)
        expected = narrow(*inputs)
        own.take(keep)
        torch.testing.assert_close(
            narrow(*inputs), expected, atol=1e-9, rtol=1e-9, msg=lambda m, a=axis: f"{a.name}: {m}"
        )
        assert not torch.equal(expected, whole) or name == "FEDformer", axis.name


def test_tensors_that_disagree_are_named():
    model = small_model("Transformer")
    model.projection = nn.Linear(7, 3)
    with pytest.raises(ValueError, match=r"axis decoder.d_model has several widths.*Linear.weight\[1\]: 7"):
        _ = next(axis for axis in model.axes() if axis.name == "decoder.d_model").width
