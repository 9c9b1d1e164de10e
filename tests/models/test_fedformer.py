import pytest
import torch

from tests.models import golden
from tests.models.small import example, small_config, small_model
from tsprune.errors import UserError
from tsprune.models import create_model, load_checkpoint, load_reference_state, pin_randomness, save_checkpoint

MODES = {"encoder_self": [0, 5, 7], "decoder_self": [1, 2, 14], "cross_q": [0, 3, 4], "cross_kv": [2, 9, 11]}


def test_drawn_modes_follow_the_seed_and_survive_a_checkpoint(tmp_path):
    model = small_model("FEDformer", modes=3, mode_seed=4).eval()
    assert model.config.select() == small_model("FEDformer", modes=3, mode_seed=4).config.select()
    assert model.config.select() != small_model("FEDformer", modes=3, mode_seed=5).config.select()
    save_checkpoint(tmp_path / "fedformer", model)
    assert torch.equal(load_checkpoint(tmp_path / "fedformer")[0](*example(model)), model(*example(model)))


def test_pinned_modes_survive_a_checkpoint(tmp_path):
    model = small_model("FEDformer", modes=3).eval()
    before = model(*example(model))
    pin_randomness(model, modes=MODES)
    pinned = model(*example(model))
    assert not torch.equal(before, pinned)
    save_checkpoint(tmp_path / "fedformer", model)
    loaded, _ = load_checkpoint(tmp_path / "fedformer")
    assert torch.equal(loaded(*example(model)), pinned)
    assert loaded.config.select() == {name: tuple(chosen) for name, chosen in MODES.items()}


@pytest.mark.parametrize("wrong", [[0, 5], [5, 0, 7], [0, 5, 12], [-1, 0, 1], [0, 0, 1]])
def test_modes_that_do_not_fit(wrong):
    with pytest.raises(UserError, match=r"chosen_modes\['encoder_self'\] must be 3 ascending numbers from 0 to 11"):
        small_model("FEDformer", modes=3, chosen_modes=MODES | {"encoder_self": wrong})
    with pytest.raises(UserError, match="chosen_modes has encoder_self, needs encoder_self, decoder_self"):
        pin_randomness(small_model("FEDformer", modes=3), modes={"encoder_self": [1, 2, 3]})


def test_modes_are_not_pinned_where_a_pruner_has_taken_the_weights_of_one():
    model = small_model("FEDformer", modes=3).eval()
    next(axis for axis in model.axes() if axis.name == "cross_block.modes").take(torch.arange(2))
    before = model(*example(model))
    with pytest.raises(UserError, match="cross_q has weights for 2 modes, not for 3; pin modes before"):
        pin_randomness(model, modes=MODES)
    assert torch.equal(model(*example(model)), before) and model.config.chosen_modes is None


def test_unused_projections_are_kept_only_when_asked():
    tensors, meta = golden.load("FEDformer_a.safetensors")
    state = golden.part(tensors, "weight")
    with pytest.warns(UserWarning, match="14 weights left out, as the model never uses them"):
        load_reference_state(create_model("FEDformer", **meta["config"], **meta["constructor_kwargs"]), state)
    full = create_model("FEDformer", **meta["config"], **meta["constructor_kwargs"], unused_projections=True)
    load_reference_state(full, state)
    assert sum(p.numel() for p in full.parameters()) == meta["trainable_parameters"]
    full(*[tensors[f"input/{n}"] for n in ("x_enc", "x_mark_enc", "x_dec", "x_mark_dec")]).sum().backward()
    dead = [name for name, p in full.named_parameters() if p.grad is None]
    assert len(dead) == len(meta["parameters_with_no_gradient"])


def test_tied_weights_that_differ_are_refused():
    tensors, meta = golden.load("FEDformer_a.safetensors")
    state = golden.part(tensors, "weight")
    name = "encoder.attn_layers.1.attention.inner_correlation.weights1"
    state[name] = state[name] + 1
    with pytest.raises(UserError, match="differs from the weights it is tied to"):
        load_reference_state(create_model("FEDformer", **meta["config"], **meta["constructor_kwargs"]), state)


def test_a_spectrum_needs_modes():
    with pytest.raises(UserError, match="leave a spectrum without modes"):
        small_model("FEDformer", seq_len=1, label_len=0, pred_len=1)


@pytest.mark.parametrize("options", [{"cross_activation": "softmax"}, {"exact_bins": True}, {"transpose_heads": True}])
def test_variants_differ_from_the_published_model(options):
    def forecast(**chosen):
        torch.manual_seed(0)
        model = create_model("FEDformer", **small_config("FEDformer", modes=3), **chosen)
        for block in (model.encoder_block, model.decoder_block, model.cross_block):
            block.weights.real.data.mul_(1000)
        return model.eval()(*example(model))

    assert not torch.allclose(forecast(), forecast(**options))


@pytest.mark.parametrize("activation", ["tanh", "softmax"])
def test_gradients_are_finite_where_a_pruner_has_left_no_query(activation):
    model = create_model("FEDformer", **small_config("FEDformer", modes=3), cross_activation=activation)
    for layer in model.decoder.layers:
        for parameter in layer.cross_attention.query.parameters():
            parameter.data.zero_()
    model(*example(model)).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
