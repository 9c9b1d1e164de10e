"""A loaded model is the saved one: precision, ties, what is frozen; what no model could be is not saved."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.models import ForecastConfig, Forecaster, base, list_models, load_checkpoint, register, save_checkpoint
from tsprune.pruners import magnitude_masks, nm_masks, structured_prune

PRECISIONS = (torch.bfloat16, torch.float16, torch.float64)


def loaded(model, path, masks=None):
    save_checkpoint(path, model, masks)
    return load_checkpoint(path)[0]


def buffers(model):
    return {name: (buffer.dtype, buffer.tolist()) for name, buffer in model.named_buffers()}


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("name", list_models())
def test_a_cast_model_forecasts_the_same_after_loading(name, dtype, tmp_path):
    torch.manual_seed(0)
    model = small_model(name).to(dtype).eval()
    again = loaded(model, tmp_path / "m")
    assert {p.dtype for p in again.parameters()} <= {dtype}
    assert buffers(again) == buffers(model)
    x = example(model, dtype=dtype)
    assert torch.equal(again(*x), model(*x))
    assert again(*x).dtype == dtype


def test_a_cast_narrowed_model_forecasts_the_same_after_loading(tmp_path):
    torch.manual_seed(0)
    model = small_model("FEDformer", d_model=16, d_ff=24)
    model = structured_prune(model, example(model), 0.4).model.bfloat16().eval()
    again = loaded(model, tmp_path / "m")
    x = example(model, dtype=torch.bfloat16)
    assert buffers(again) == buffers(model) and torch.equal(again(*x), model(*x))


def test_tables_that_no_cast_of_the_weights_explains_are_kept(tmp_path):
    """A model cast up and down again has tables of half the digits."""
    torch.manual_seed(0)
    model = small_model("FEDformer").bfloat16().float().eval()
    again = loaded(model, tmp_path / "m")
    assert buffers(again) == buffers(model) != buffers(small_model("FEDformer"))
    assert torch.equal(again(*example(model)), model(*example(model)))


def test_a_cast_model_takes_no_more_room_for_its_tables(tmp_path):
    save_checkpoint(tmp_path / "single", small_model("Transformer"))
    save_checkpoint(tmp_path / "half", small_model("Transformer").bfloat16())
    assert (tmp_path / "half").stat().st_size < (tmp_path / "single").stat().st_size - 2 * 1000


@pytest.fixture
def tied():
    @register("TiedLinear")
    class TiedLinear(Forecaster):
        """Two maps with one weight, and one bias of their own each."""

        def __init__(self, config):
            super().__init__(config)
            self.a, self.b = (nn.Linear(config.seq_len, config.pred_len) for _ in range(2))
            self.b.weight = self.a.weight

        def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec):
            return (self.a(x_enc.transpose(1, 2)) * self.b(x_enc.transpose(1, 2))).transpose(1, 2)

    yield small_model("TiedLinear").eval()
    del base._registry["TiedLinear"]


def test_tied_weights_are_stored_once_and_stay_tied(tied, tmp_path):
    masks = magnitude_masks(tied, 0.5, "layer")
    again = loaded(tied, tmp_path / "m", masks)
    assert again.a.weight is again.b.weight and again.a.bias is not again.b.bias
    assert torch.equal(again(*example(tied)), tied(*example(tied)))
    assert (tmp_path / "m").stat().st_size < 4 * 1.2 * sum(p.numel() for p in tied.parameters()) + 3000


def test_a_tie_that_was_cut_stays_cut(tied, tmp_path):
    tied.b.weight = nn.Parameter(tied.a.weight.detach() + 1)
    again = loaded(tied, tmp_path / "m")
    assert again.a.weight is not again.b.weight
    assert torch.equal(again(*example(tied)), tied(*example(tied)))


def test_a_tie_that_the_class_does_not_make_is_kept(tmp_path):
    model = small_model("Transformer").eval()
    model.encoder.layers[1].norm1.weight = model.encoder.layers[0].norm1.weight
    again = loaded(model, tmp_path / "m")
    assert again.encoder.layers[1].norm1.weight is again.encoder.layers[0].norm1.weight


def test_a_buffer_in_the_memory_of_a_weight_is_no_tie(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "_registry", dict(base._registry))

    @register("Aliased")
    class Aliased(Forecaster):
        """A map whose weight is a buffer too."""

        def __init__(self, config):
            super().__init__(config)
            self.map = nn.Linear(config.seq_len, config.pred_len)
            self.register_buffer("first", self.map.weight.data)

        def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec):
            return self.map(x_enc.transpose(1, 2)).transpose(1, 2)

    model = small_model("Aliased").eval()
    again = loaded(model, tmp_path / "m")
    assert torch.equal(again.first, model.first) and torch.equal(again(*example(model)), model(*example(model)))


def test_weights_that_lie_in_one_memory_are_not_tied(tmp_path):
    model = small_model("DLinear").eval()
    whole = torch.randn(2, *model.trend.weight.shape)
    model.trend.weight, model.seasonal.weight = nn.Parameter(whole[0]), nn.Parameter(whole[1])
    again = loaded(model, tmp_path / "m")
    assert torch.equal(again(*example(model)), model(*example(model)))
    assert again.trend.weight.untyped_storage().nbytes() == again.trend.weight.nbytes


def test_what_is_frozen_stays_frozen(tmp_path):
    model = small_model("iTransformer")
    model.embedding.requires_grad_(False)
    again = loaded(model, tmp_path / "m")
    assert {n for n, p in again.named_parameters() if not p.requires_grad} == {"embedding.weight", "embedding.bias"}
    assert all(p.requires_grad for p in loaded(small_model("iTransformer"), tmp_path / "m").parameters())


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel, lambda m: torch.compile(nn.DataParallel(m))])
def test_of_a_wrapped_model_the_one_inside_is_saved(wrap, tmp_path):
    model = small_model("DLinear").eval()
    again = loaded(wrap(model), tmp_path / "m")
    assert type(again) is type(model) and torch.equal(again(*example(model)), model(*example(model)))


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel])
@pytest.mark.parametrize("begin", ["", "module.", "_orig_mod."])
def test_masks_of_a_wrapped_model_are_saved_under_the_names_of_the_one_inside(wrap, begin, tmp_path):
    model = small_model("DLinear")
    masks = magnitude_masks(model, 0.5, "layer")
    save_checkpoint(tmp_path / "x", wrap(model), {begin + name: mask for name, mask in masks.items()})
    _, kept = load_checkpoint(tmp_path / "x")
    assert kept.keys() == masks.keys() and all(torch.equal(kept[name], masks[name]) for name in masks)


@pytest.mark.parametrize("masks", [lambda model: nm_masks(model), lambda model: {"seasonal.weight": [[True]]}])
def test_what_is_no_mask_is_told_in_a_line(masks, tmp_path):
    model = small_model("DLinear")
    with pytest.raises(UserError, match=r"not a Masked; give its field masks|expected a bool tensor, found a list"):
        save_checkpoint(tmp_path / "x", model, masks(model))


class Extra(nn.Linear):
    """Its state has more than tensors, as that of torch's quantised layers has."""

    def get_extra_state(self):
        return {"scale": 1.0}


def test_a_model_with_weights_that_are_computed_or_no_tensors_is_told_in_a_line(tmp_path):
    model = small_model("DLinear")
    prune.l1_unstructured(model.trend, "weight", 0.5)
    words = r"'trend.weight' is computed .* torch.nn.utils.prune.remove\(layer, 'weight'\)"
    with pytest.raises(UserError, match=words):
        save_checkpoint(tmp_path / "x", model)
    prune.remove(model.trend, "weight")
    assert loaded(model, tmp_path / "x").trend.weight.count_nonzero() < model.trend.weight.numel()
    model.trend = Extra(1, 1)
    with pytest.raises(UserError, match=r"cannot be saved: trend._extra_state is a dict, not a tensor"):
        save_checkpoint(tmp_path / "x", model)


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel])
def test_a_model_with_a_wrapped_part_is_refused(wrap, tmp_path):
    model = small_model("Transformer")
    model.encoder = wrap(model.encoder)
    with pytest.raises(UserError, match=r"Transformer: encoder is wrapped \((OptimizedModule|DataParallel)\)"):
        save_checkpoint(tmp_path / "m", model)


class Changed(type(small_model("DLinear"))):
    """A class that took over another's name with everything else."""


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Linear(2, 2), "Linear is not a registered forecaster; those are Autoformer, "),
        (Changed(small_model("DLinear").config), "Changed is not the class that is registered as DLinear"),
        (Forecaster(ForecastConfig()), "Forecaster is not a registered forecaster"),
    ],
)
def test_what_could_not_be_loaded_again_is_not_saved(model, words, tmp_path):
    with pytest.raises(UserError, match=words):
        save_checkpoint(tmp_path / "m", model)
    assert list(tmp_path.iterdir()) == []


def with_number(name, value):
    model = small_model("Informer")
    model.state_dict()[name].view(-1)[1] = value
    return model


def with_table(value):
    model = small_model("Transformer")
    model.enc_embedding.position.table[2, 3] = value
    return model


def with_weight(change):
    model = small_model("DLinear")
    model.trend.weight = nn.Parameter(change(model.trend.weight.detach()))
    return model


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            lambda: with_number("projection.weight", float("nan")),
            "projection.weight has 1 of 24 numbers NaN or infinite",
        ),
        (lambda: with_number("projection.bias", float("-inf")), "projection.bias has 1 of 3 numbers NaN or infinite"),
        (lambda: with_number("encoder.distilling.0.norm.running_var", float("inf")), "running_var has 1 of 8 numbers"),
        (lambda: with_table(float("nan")), "its table enc_embedding.position.table holds NaN"),
        (lambda: small_model("DLinear").to("meta"), "seasonal.weight has no numbers (it is on the device 'meta')"),
        (lambda: with_weight(torch.Tensor.cfloat), "trend.weight is torch.complex64, not torch.float16, "),
        (lambda: with_weight(torch.Tensor.to_sparse), "trend.weight is not dense (torch.sparse_coo)"),
    ],
)
def test_weights_that_give_no_forecast_are_not_saved(model, words, tmp_path):
    with pytest.raises(UserError) as error:
        save_checkpoint(tmp_path / "m", model())
    assert words in str(error.value) and "cannot be saved" in str(error.value) and "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("dtype", "large"), [(torch.float16, 65504.0), (torch.float32, 3e38), (torch.float64, 1e308)])
def test_weights_are_finite_though_their_sum_is_not(dtype, large, tmp_path):
    model = small_model("DLinear").to(dtype)
    with torch.no_grad():
        model.trend.weight.fill_(large)
    assert not model.trend.weight.sum().isfinite()
    assert torch.equal(loaded(model, tmp_path / "m").trend.weight, model.trend.weight)


@pytest.mark.parametrize("name", list_models())
def test_what_was_loaded_is_saved_to_the_same_bytes(name, tmp_path):
    model = small_model(name)
    masks = {name: torch.rand_like(p) > 0.5 for name, p in model.named_parameters()}
    save_checkpoint(tmp_path / "first", model, masks)
    save_checkpoint(tmp_path / "second", *load_checkpoint(tmp_path / "first"))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_saving_leaves_the_model_alone(tied, tmp_path):
    for model in (tied, small_model("FEDformer").bfloat16()):
        before = copy.deepcopy(model)
        save_checkpoint(tmp_path / "m", model)
        assert all(
            torch.equal(a, b) for a, b in zip(before.state_dict().values(), model.state_dict().values(), strict=True)
        )
        assert buffers(model) == buffers(before) and model.training == before.training


@pytest.mark.parametrize("name", ["DLinear", "FEDformer", "Informer", "LSTM"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_inputs_of_another_precision_are_refused_in_a_line(name, precision):
    model = small_model(name).to(precision).eval()
    with pytest.raises(UserError) as error:
        model(*example(model))
    assert str(error.value) == (
        f"{name}: x_enc is torch.float32, the weights are {precision}; convert one of them: x_enc.to({precision}) or "
        "model.to(torch.float32)"
    )
    assert model(*example(model, dtype=precision)).dtype == precision


def test_inputs_of_whole_numbers_are_to_be_converted_and_not_the_model():
    model = small_model("DLinear").eval()
    with pytest.raises(UserError, match=r"x_enc is torch.int64, .*; convert it: x_enc.to\(torch.float32\)$"):
        model(*(x.long() for x in example(model)))


def test_inputs_that_are_no_tensors_or_have_no_numbers_are_told_what_is_wrong_with_them():
    model = small_model("DLinear").eval()
    with pytest.raises(UserError, match=r"x_enc is a ndarray, not a tensor; make one with torch.as_tensor"):
        model(example(model)[0].numpy())
    with pytest.raises(UserError, match=r"x_enc is torch.float64, the weights are torch.float32"):
        model.to("meta")(example(model)[0].double().to("meta"))


def test_under_autocast_and_with_weights_of_two_precisions_inputs_may_be_of_either():
    model = small_model("DLinear").eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert model(*example(model, dtype=torch.bfloat16)).dtype == torch.bfloat16
    model.seasonal.double()
    model._need_precision("x_enc", torch.zeros(1))
    model._need_precision("x_enc", torch.zeros(1, dtype=torch.float64))
    with pytest.raises(UserError, match=r"x_enc is torch.float16, the weights are torch.float32, torch.float64"):
        model._need_precision("x_enc", torch.zeros(1, dtype=torch.float16))
